import { mkdir, rename, writeFile } from 'node:fs/promises';
import {
  pause,
  signinLinkSchema,
  snapshotListSchema,
  startProgress,
  type Check,
  type Config,
  type SnapshotList,
} from '@hearth/contract';
import { connect } from '../api/connection.ts';
import { controllerUrl, loadConfig } from '../config.ts';
import { makeContext, type CommonOptions, type Context } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { startDaemon } from '../exec/daemon.ts';
import { run } from '../exec/run.ts';
import { formatDuration } from '../terminal/duration.ts';
import { askOnTerminal } from '../terminal/question.ts';
import { makeStepDisplay } from '../terminal/step-display.ts';
import { controllerStep, hostDaemonStep } from './daemons.ts';
import { debianPackagesStep, hostPackages } from './debian-packages.ts';
import { diskSpaceStep } from './disk-space.ts';
import { stayInForeground } from './foreground.ts';
import { goldenImageStep } from './golden-image.ts';
import { missingSnapshotsInWords } from './golden-snapshots.ts';
import { guestAgentBundle, webBundle } from './bundles.ts';
import { machineStep, requireRoot } from './machine.ts';
import { removeEmptyNamespace } from './namespace.ts';
import { compileCache, places, repository } from './places.ts';
import { livingProcess } from './process-identity.ts';
import { findRunning } from './running.ts';
import { sourceBundleStep } from './source-bundle.ts';
import { openStepTimes } from './step-times.ts';
import { runSteps, type Step } from './steps.ts';
import { stopDaemons } from './stop-daemons.ts';
import { systemUsersStep } from './system-users.ts';
import { takeUpLock } from './up-lock.ts';

export interface UpOptions extends CommonOptions {
  detach?: boolean;
  yes?: boolean;
}

/** The first checks of a daemon may run before what they check. */
const SETTLE_TIMEOUT_MS = 10_000;
const ROLLBACK_TIMEOUT_MS = 60_000;

export async function up(options: UpOptions): Promise<void> {
  requireRoot('hearth up');
  const context = makeContext(options);
  const config = await loadConfig(options.config, context.environment);
  if (await sayIfRunning(config, context)) return;
  const release = await takeUpLock(config);
  try {
    await bringUp(config, options, context);
  } finally {
    await release();
  }
  const failing = await failingChecks(config, context);
  sayUp(config, { failing, ...(await askController(options, context)) }, options, context);
  if (options.detach !== true) await stayInForeground(config, context);
  else if (failing.length > 0) throw new Exit(exitCodes.failure);
}

/** A second `up` does no work: it says where the first one is. */
async function sayIfRunning(config: Config, { out, signal }: Context): Promise<boolean> {
  const { host, controller } = await findRunning(config, signal);
  if (host.health === null || controller.health === null) return false;
  const failing = controller.health.checks.filter(({ ok }) => !ok);
  const url = publicUrl(config);
  if (out.json)
    out.value({ type: 'up', alreadyRunning: true, url, status: controller.health.status, failing });
  else {
    out.line(
      `Hearth '${config.name}' is up already, for ${formatDuration(controller.health.uptime * 1000)}: ${url}`,
    );
    for (const { name, detail } of failing) out.line(`  ${out.paint.bad('✗')} ${name}: ${detail}`);
    out.line('A new sign-in link: hearth link · stop it: hearth down');
  }
  return true;
}

/** Both daemons answer; what they say of themselves may take a moment to settle. */
async function failingChecks(config: Config, { signal }: Context): Promise<Check[]> {
  const progress = startProgress({ what: 'settling', timeoutMs: SETTLE_TIMEOUT_MS, signal });
  for (;;) {
    const { controller } = await findRunning(config, signal);
    if (controller.health?.status === 'ok') return [];
    if (progress.remainingMs() === 0)
      return (
        controller.health?.checks.filter(({ ok }) => !ok) ?? [
          { name: 'controller', ok: false, detail: 'gives no answer' },
        ]
      );
    await pause(100, signal);
  }
}

async function bringUp(
  config: Config,
  options: UpOptions,
  { environment, out, signal }: Context,
): Promise<void> {
  const { effectiveConfig, stepTimes, logs } = places(config);
  // The controller and the VMMs are other users: they must get through to their own folders below.
  await mkdir(config.stateDir, { recursive: true, mode: 0o755 });
  await mkdir(logs, { recursive: true, mode: 0o750 });
  await writeEffectiveConfig(config, effectiveConfig);
  const consent = { given: options.yes === true, ask: askOnTerminal(out) };
  const daemon = {
    config,
    configFile: effectiveConfig,
    start: startDaemon,
    signal,
    cwd: repository,
    compileCache,
    masterKeys: environment.masterKeys,
  };
  let image: string | null = null;
  const steps: Step[] = [
    machineStep(),
    debianPackagesStep({ run, packages: hostPackages, consent, signal }),
    diskSpaceStep(config),
    systemUsersStep(run, [config.controller.user, config.vms.vmmUser], signal),
    sourceBundleStep(run, guestAgentBundle, signal),
    sourceBundleStep(run, webBundle, signal),
    goldenImageStep(run, config, signal, (imageId) => (image = imageId)),
    hostDaemonStep(daemon, () => image),
    controllerStep(daemon),
  ];
  const display = makeStepDisplay(out, () => performance.now());
  const times = await openStepTimes(stepTimes);
  const ranBefore = await livingProcess(places(config).hostPid);
  try {
    await runSteps(steps, display, times, () => performance.now());
  } catch (error) {
    // Half a Hearth is none: what this start began is ended, what ran before it stays.
    if (ranBefore === null) {
      await stopDaemons(config, 'stay');
      await removeEmptyNamespace(run, config, AbortSignal.timeout(ROLLBACK_TIMEOUT_MS));
    }
    throw error;
  } finally {
    display.stop();
    await times.save();
  }
}

/** The daemons get the configuration that was checked here, whatever happens to file and environment meanwhile. */
export async function writeEffectiveConfig(config: Config, path: string): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o644 });
  await rename(`${path}.new`, path);
}

const publicUrl = (config: Config): string => config.controller.publicUrl ?? controllerUrl(config);

interface FirstAnswers {
  link: string;
  snapshots: SnapshotList;
}

async function askController(
  options: CommonOptions,
  { environment, signal }: Context,
): Promise<FirstAnswers> {
  // Whoever starts Hearth here gets a link for here, whatever HEARTH_URL says.
  const { config } = options;
  const api = await connect(config === undefined ? {} : { config }, {
    ...environment,
    url: undefined,
    token: undefined,
  });
  try {
    const { url } = await api.call('POST', signinLinkSchema, '/api/signin-links', { signal });
    return { link: url, snapshots: await api.get(snapshotListSchema, '/api/snapshots', { signal }) };
  } finally {
    await api.close();
  }
}

function sayUp(
  config: Config,
  { link, failing, snapshots }: FirstAnswers & { failing: Check[] },
  { detach }: UpOptions,
  { out }: Context,
): void {
  const url = publicUrl(config);
  if (out.json) {
    out.value({ type: 'up', alreadyRunning: false, url, signinLink: link, failing, snapshots });
    return;
  }
  const { paint } = out;
  out.line();
  out.line(
    `${paint.bold(failing.length === 0 ? 'Hearth is up' : 'Hearth is up, but not well')} at ${paint.accent(url)}`,
  );
  for (const { name, detail } of failing) out.line(`  ${paint.bad('✗')} ${name}: ${detail}`);
  out.line(`Sign in (once, for the administrator): ${paint.accent(link)}`);
  out.line();
  out.line('Next: hearth vm create --kind cli');
  out.line('      hearth run claude_code "hello" --api-key-file FILE');
  out.line(
    detach === true
      ? '      hearth status · hearth down'
      : '      Ctrl-C stops both daemons; VMs go on. To free everything: hearth down',
  );
  const missing = config.vms.snapshots.golden ? missingSnapshotsInWords(snapshots) : null;
  if (missing !== null) out.line(missing);
}

/** `hearth link`: another one-time link for a browser. */
export async function printSigninLink(options: CommonOptions): Promise<void> {
  const context = makeContext(options);
  const api = await connect(options, context.environment);
  try {
    const link = await api.call('POST', signinLinkSchema, '/api/signin-links', {
      signal: context.signal,
    });
    if (context.out.json) context.out.value(link);
    else context.out.line(link.url);
  } finally {
    await api.close();
  }
}
