import { allVms } from '../vm/list.ts';
import { connect } from '../api/connection.ts';
import { controllerUrl, loadConfig } from '../config.ts';
import { makeContext, type CommonOptions, type Context } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { formatDuration } from '../terminal/duration.ts';
import type { Paint } from '../terminal/output.ts';
import { findRunning, type DaemonState } from './running.ts';

/** Exits with 0 only if all is well, 3 if Hearth is not running, else 1. */
export async function status(options: CommonOptions): Promise<void> {
  const context = makeContext(options);
  const { out, signal } = context;
  const config = await loadConfig(options.config, context.environment);
  const { host, controller } = await findRunning(config, signal);
  const isRunning = host.process !== null || controller.process !== null;
  const isHealthy = host.health?.status === 'ok' && controller.health?.status === 'ok';
  const vms = controller.health === null ? null : await countVms(options, context);
  const checks = controller.health?.checks ?? host.health?.checks ?? [];
  if (out.json) {
    const view = (state: DaemonState<unknown>) => ({
      pid: state.process?.pid ?? null,
      answers: state.health !== null,
      problem: state.problem?.detail ?? null,
    });
    out.value({
      name: config.name,
      status: isHealthy ? 'ok' : isRunning ? 'degraded' : 'not running',
      url: controllerUrl(config),
      host: view(host),
      controller: view(controller),
      checks,
      vms,
    });
  } else if (!isRunning) {
    out.line(`Hearth '${config.name}' is not running; start it with: hearth up`);
  } else {
    const { paint } = out;
    out.line(
      `${paint.bold(`Hearth '${config.name}'`)} ${isHealthy ? paint.good('is well') : paint.bad('is not well')} · ${controllerUrl(config)}`,
    );
    out.line(renderDaemon('host daemon', host, paint, host.health?.uptimeSeconds));
    out.line(renderDaemon('controller', controller, paint, controller.health?.uptime));
    for (const { name, ok, detail } of checks) out.line(mark(ok, name, detail, paint));
    if (vms !== null)
      out.line(
        `  VMs: ${
          Object.entries(vms)
            .map(([state, count]) => `${count} ${state}`)
            .join(', ') || 'none'
        }`,
      );
  }
  if (!isRunning) throw new Exit(exitCodes.notRunning);
  if (!isHealthy) throw new Exit(exitCodes.failure);
}

function renderDaemon(
  title: string,
  state: DaemonState<unknown>,
  paint: Paint,
  uptimeSeconds: number | undefined,
): string {
  if (state.process === null) return mark(false, title, 'is not running', paint);
  const answer =
    state.problem === null
      ? `up for ${formatDuration((uptimeSeconds ?? 0) * 1000)}`
      : `gives no answer: ${state.problem.detail}`;
  return mark(state.problem === null, title, `process ${state.process.pid}, ${answer}`, paint);
}

function mark(ok: boolean, name: string, detail: string, paint: Paint): string {
  return `  ${ok ? paint.good('✓') : paint.bad('✗')} ${name}: ${detail}`;
}

/** By state, as far as this user may see them; null where there is no token to ask with. */
async function countVms(
  options: CommonOptions,
  { environment, signal }: Context,
): Promise<Record<string, number> | null> {
  const api = await connect(options, environment).catch((error: unknown) => {
    if (environment.token === undefined && options.tokenFile === undefined) return null;
    throw error;
  });
  if (api === null) return null;
  try {
    const counts: Record<string, number> = {};
    for (const { state } of await allVms(api, signal))
      if (state !== 'deleted') counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  } finally {
    await api.close();
  }
}
