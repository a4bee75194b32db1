import { rm } from 'node:fs/promises';
import {
  HearthError,
  healthSchema,
  hostHealthSchema,
  pause,
  startProgress,
  type Config,
} from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { adminTokenFile, connectHost } from '../api/connection.ts';
import { makeApi } from '../api/client.ts';
import { controllerUrl } from '../config.ts';
import type { StartDaemon, StartedDaemon } from '../exec/daemon.ts';
import { logSize, parseLogLine, readLogSince } from './daemon-log.ts';
import { daemonArgs, places, programs } from './places.ts';
import { identifyProcess, livingProcess, writePidFile } from './process-identity.ts';
import type { Step } from './steps.ts';

const START_TIMEOUT_MS = 120_000;
const POLL_MS = 50;

/** Nothing of ours goes to the daemons but what they need: no tokens and no keys of the person who starts them. */
function daemonEnvironment(compileCache: string): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    NODE_ENV: 'production',
    NODE_COMPILE_CACHE: compileCache,
  };
}

interface DaemonSpec {
  title: string;
  program: string;
  args: () => readonly string[];
  pidFile: string;
  /** Who writes the pid file. */
  writesPid: 'itself' | 'us';
  logPath: string;
  api: Api;
  /** What it alone gets in its environment. */
  env: Readonly<Record<string, string>>;
  /** Throws until it is up. */
  probe(api: Api, signal: AbortSignal): Promise<void>;
}

export interface DaemonStepOptions {
  config: Config;
  configFile: string;
  start: StartDaemon;
  signal: AbortSignal;
  cwd: string;
  /** Where Node keeps compiled code: most of a start's CPU time. */
  compileCache: string;
  /** The vault's keys where they come from the environment, for the controller alone. */
  masterKeys: Readonly<Record<string, string>>;
}

/** @param image the one that new VMs start from, known once the step before it has run */
export function hostDaemonStep(options: DaemonStepOptions, image: () => string | null): Step {
  const { hostPid, hostLog } = places(options.config);
  return daemonStep(options, {
    title: 'Host daemon',
    program: programs.host,
    args: () => {
      const imageId = image();
      return ['--config', options.configFile, ...(imageId === null ? [] : ['--image', imageId])];
    },
    pidFile: hostPid,
    writesPid: 'itself',
    logPath: hostLog,
    env: {},
    api: connectHost(options.config),
    probe: async (api, signal) => {
      await api.get(hostHealthSchema, '/v1/health', { signal, timeoutMs: 10_000, acceptStatus: 503 });
    },
  });
}

export function controllerStep(options: DaemonStepOptions): Step {
  const { controllerPid, controllerLog } = places(options.config);
  return daemonStep(options, {
    title: 'Controller',
    program: programs.controller,
    args: () => ['--config', options.configFile, '--admin-token-file', adminTokenFile(options.config)],
    pidFile: controllerPid,
    writesPid: 'us',
    logPath: controllerLog,
    env: options.masterKeys,
    api: makeApi({ origin: controllerUrl(options.config), unreachable: 'controller_unreachable' }),
    probe: async (api, signal) => {
      await api.get(healthSchema, '/health', { signal, timeoutMs: 10_000, acceptStatus: 503 });
    },
  });
}

function daemonStep({ start, signal, cwd, compileCache }: DaemonStepOptions, spec: DaemonSpec): Step {
  return {
    name: spec.title,
    expectedMs: 3000,
    isDone: async () => {
      const living = await livingProcess(spec.pidFile);
      if (living === null) return null;
      await untilUp(spec, signal, Promise.withResolvers<never>().promise, 0);
      return `runs as process ${living.pid}`;
    },
    run: async () => {
      // A crash leaves these; whoever is named there is gone, as isDone has found.
      await rm(spec.pidFile, { force: true });
      const logStart = await logSize(spec.logPath);
      const daemon = await start(process.execPath, [...daemonArgs, spec.program, ...spec.args()], {
        logPath: spec.logPath,
        env: { ...daemonEnvironment(compileCache), ...spec.env },
        cwd,
      });
      if (spec.writesPid === 'us') await recordPid(spec.pidFile, daemon);
      await untilUp(spec, signal, earlyEnd(spec, daemon, logStart), logStart);
      return `started as process ${daemon.pid}`;
    },
  };
}

async function recordPid(pidFile: string, { pid }: StartedDaemon): Promise<void> {
  const identity = await identifyProcess(pid);
  // It may have failed already: then its log has the reason.
  if (identity !== null) await writePidFile(pidFile, identity);
}

/** Rejects when the daemon ends, with the cause that it logged. */
async function earlyEnd(spec: DaemonSpec, daemon: StartedDaemon, logStart: number): Promise<never> {
  const { exitCode, signal } = await daemon.ended;
  const how = signal === null ? `exit code ${exitCode ?? '?'}` : `signal ${signal}`;
  throw await causeFromLog(spec, logStart, `${spec.title} ended at once (${how})`);
}

async function untilUp(
  spec: DaemonSpec,
  parent: AbortSignal,
  ended: Promise<never>,
  logStart: number,
): Promise<void> {
  const over = new AbortController();
  const signal = AbortSignal.any([parent, over.signal]);
  const progress = startProgress({ what: `start of: ${spec.title}`, timeoutMs: START_TIMEOUT_MS, signal });
  const answered = (async (): Promise<void> => {
    for (;;) {
      try {
        await spec.probe(spec.api, progress.signal);
        return;
      } catch (error) {
        progress.throwIfAborted();
        const code = error instanceof HearthError ? error.code : 'internal';
        if (code !== 'host_unreachable' && code !== 'controller_unreachable' && code !== 'deadline_exceeded')
          throw error;
      }
      await pause(POLL_MS, progress.signal);
    }
  })();
  try {
    await Promise.race([answered, ended]);
  } catch (error) {
    answered.catch(() => undefined);
    if (error instanceof HearthError && error.code === 'deadline_exceeded')
      throw await causeFromLog(
        spec,
        logStart,
        `${spec.title} gave no answer within ${START_TIMEOUT_MS / 1000} s`,
      );
    throw error;
  } finally {
    over.abort();
    await spec.api.close();
  }
}

/** The daemon's own last words, as the error that they are. */
async function causeFromLog({ logPath }: DaemonSpec, logStart: number, what: string): Promise<HearthError> {
  const { lines } = await readLogSince(logPath, logStart);
  const parsed = lines.map(parseLogLine);
  const problem = parsed.findLast((line) => line.problem !== undefined)?.problem;
  if (problem !== undefined) return problem;
  const words = parsed
    .filter(({ level }) => level === 'error' || level === 'fatal')
    .slice(-8)
    .map(({ message }) => message);
  return new HearthError('internal', [`${what}. Its last words:`, ...words].join('\n    '), {
    hint: `The whole log is ${logPath}.`,
  });
}
