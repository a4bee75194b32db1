import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  asHearthError,
  HearthError,
  imageIdSchema,
  parseWith,
  startProgress,
  toProblem,
  type Config,
  type Log,
} from '@hearth/contract';
import pino from 'pino';
import { z } from 'zod';
import { inheritedEnvironment, readConfig } from './config.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './exec/process-identity.ts';
import { run } from './exec/run.ts';
import { openHost } from './host.ts';
import { prepareNamespace } from './network/namespace.ts';
import { userIds } from './peer/users.ts';

/**
 * The host daemon: `node main.ts [--config FILE] [--image ID]`, as root. It prepares the namespace of this Hearth from outside,
 * then becomes the same program inside it (nsenter, same pid). Logs JSON lines to standard output; a start that fails
 * ends with a line of level `fatal` holding the problem, and exit code 1.
 */
const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    image: { type: 'string' },
    inside: { type: 'boolean', default: false },
  },
});

const logger = pino({
  base: { part: 'host' },
  formatters: { level: (level) => ({ level }) },
  timestamp: pino.stdTimeFunctions.isoTime,
});
const log: Log = (message, fields = {}) => {
  // What went wrong names its code, or the error.
  if ('code' in fields || 'error' in fields) logger.warn(fields, message);
  else logger.info(fields, message);
};
const identitySchema = z.object({ pid: z.number(), startTicks: z.number() });
const PREPARE_TIMEOUT_MS = 60_000;

async function enterNamespace(config: Config): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new HearthError('requirement_missing', 'the host daemon must be started by root');
  await refuseSecond(config);
  await mkdir(config.runDir, { recursive: true, mode: 0o755 });
  await prepareNamespace(
    config,
    run,
    startProgress({ what: 'preparing the namespace', timeoutMs: PREPARE_TIMEOUT_MS, log }),
  );
  const args = [
    'nsenter',
    `--net=/run/netns/${config.name}`,
    process.execPath,
    ...process.execArgv,
    import.meta.filename,
    '--inside',
  ];
  if (values.config !== undefined) args.push('--config', values.config);
  if (values.image !== undefined) args.push('--image', values.image);
  // Replaces this process: same pid, and `ip netns exec` would hide /sys/fs/cgroup.
  process.execve?.('/usr/bin/nsenter', args, inheritedEnvironment());
}

const pidPathOf = (config: Config): string => join(config.runDir, 'host.pid');

async function refuseSecond(config: Config): Promise<void> {
  const identity = await readPidFile(pidPathOf(config));
  if (identity !== null && identity.pid !== process.pid && (await isAlive(identity))) {
    throw new HearthError(
      'already_running',
      `the host daemon of '${config.name}' runs as process ${identity.pid}`,
    );
  }
}

/** null where there is none, or what a crash left of one. */
async function readPidFile(path: string): Promise<ProcessIdentity | null> {
  try {
    return identitySchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    // Not there, or cut off by a crash: then its writer is gone as well.
    return null;
  }
}

async function serve(config: Config): Promise<void> {
  logger.level = config.log.level;
  const identity = await identifyProcess(process.pid);
  await writeFile(pidPathOf(config), JSON.stringify(identity));
  const caller = await userIds(config.controller.user);
  const image =
    values.image === undefined
      ? {}
      : { imageId: parseWith(imageIdSchema, values.image, 'image_missing', '--image') };
  const host = await openHost({
    config,
    ...image,
    log,
    logger,
    callerUids: [caller.uid],
    callerGid: caller.gid,
  });
  log('host daemon is up', { socket: host.socketPath, vms: host.vms.list().length });
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    // Whoever asks for it in person (`hearth down --keep-vms`, an interrupt) has decided about the VMs.
    const fate = signal === 'SIGTERM' ? config.host.onStop : 'stay';
    log('host daemon stops', { signal, vms: fate });
    void host.close(fate).then(
      () => process.exit(0),
      (error: unknown) => {
        reportFatal(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function reportFatal(error: unknown): void {
  const problem = toProblem(asHearthError(error));
  logger.fatal({ problem, err: error }, problem.detail);
}

try {
  const config = await readConfig(values.config);
  await (values.inside ? serve(config) : enterNamespace(config));
} catch (error) {
  reportFatal(error);
  process.exitCode = 1;
}
