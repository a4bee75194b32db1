import {
  meSchema,
  snapshotListSchema,
  vmListSchema,
  type Check,
  type Config,
  type SnapshotList,
} from '@hearth/contract';
import { connect } from '../api/connection.ts';
import { controllerUrl, loadConfig } from '../config.ts';
import { makeContext, type CommonOptions, type Context } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { formatDuration } from '../terminal/duration.ts';
import type { Paint } from '../terminal/output.ts';
import { findRunning, type DaemonState, type Running } from './running.ts';

/** Exits with 0 only if all is well, 3 if Hearth is not running, else 1. */
export async function status(options: CommonOptions): Promise<void> {
  const context = makeContext(options);
  const { out } = context;
  const config = await loadConfig(options.config, context.environment);
  const around = await lookAround(options, context, config);
  const { host, controller, isRunning, isHealthy, seen, checks } = around;
  if (out.json) {
    out.value(viewOf(config, around));
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
    if (seen !== null)
      out.line(
        `  VMs: ${
          Object.entries(seen.vms)
            .map(([state, count]) => `${count} ${state}`)
            .join(', ') || 'none'
        }`,
      );
    if (seen?.snapshots != null) out.line(`  golden snapshots: ${renderSnapshotList(seen.snapshots)}`);
  }
  if (!isRunning) throw new Exit(exitCodes.notRunning);
  if (!isHealthy) throw new Exit(exitCodes.failure);
}

interface Around extends Running {
  isRunning: boolean;
  isHealthy: boolean;
  seen: Seen | null;
  checks: readonly Check[];
}

async function lookAround(options: CommonOptions, context: Context, config: Config): Promise<Around> {
  const { host, controller } = await findRunning(config, context.signal);
  return {
    host,
    controller,
    isRunning: host.process !== null || controller.process !== null,
    isHealthy: host.health?.status === 'ok' && controller.health?.status === 'ok',
    seen: controller.health === null ? null : await look(options, context),
    checks: controller.health?.checks ?? host.health?.checks ?? [],
  };
}

/** What `hearth status --json` prints. */
export async function readStatus(options: CommonOptions, context: Context, config: Config): Promise<unknown> {
  return viewOf(config, await lookAround(options, context, config));
}

function viewOf(config: Config, around: Around): unknown {
  const { host, controller, isRunning, isHealthy, seen, checks } = around;
  const view = (state: DaemonState<unknown>) => ({
    pid: state.process?.pid ?? null,
    answers: state.health !== null,
    problem: state.problem?.detail ?? null,
  });
  return {
    name: config.name,
    status: isHealthy ? 'ok' : isRunning ? 'degraded' : 'not running',
    url: controllerUrl(config),
    host: view(host),
    controller: view(controller),
    checks,
    vms: seen?.vms ?? null,
    snapshots: seen?.snapshots ?? null,
  };
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

function renderSnapshotList({ snapshots, making }: SnapshotList): string {
  const states = snapshots.map(
    ({ kind, status, detail, clones }) =>
      `${kind} ${status}${status === 'ready' ? ` with ${clones} ${clones === 1 ? 'clone' : 'clones'}` : ` (${detail})`}`,
  );
  return [states.join(', ') || 'none', ...(making === null ? [] : [making])].join('; ');
}

interface Seen {
  /** How many are in which state; those of the warm pool count for themselves. */
  vms: Record<string, number>;
  /** null for whom is no administrator. */
  snapshots: SnapshotList | null;
}

/** What this user may see; null where there is no token to ask with. */
async function look(options: CommonOptions, { environment, signal }: Context): Promise<Seen | null> {
  const api = await connect(options, environment).catch((error: unknown) => {
    if (environment.token === undefined && options.tokenFile === undefined) return null;
    throw error;
  });
  if (api === null) return null;
  try {
    const isAdmin = (await api.get(meSchema, '/api/me', { signal })).role === 'admin';
    const [{ vms }, snapshots] = await Promise.all([
      api.get(vmListSchema, '/api/vms', { query: isAdmin ? { all: 'true' } : {}, signal }),
      isAdmin ? api.get(snapshotListSchema, '/api/snapshots', { signal }) : null,
    ]);
    const counts: Record<string, number> = {};
    for (const { state, userId } of vms) {
      if (state === 'deleted') continue;
      const name = userId === null ? `${state} in the warm pool` : state;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return { vms: counts, snapshots };
  } finally {
    await api.close();
  }
}
