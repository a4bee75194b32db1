import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, open, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { healthSchema } from '@hearth/contract';
import { repository, type HearthLab } from '@hearth/testing';
import { identifyProcess, writePidFile } from '../../packages/cli/src/setup/process-identity.ts';
import { places } from '../../packages/cli/src/setup/places.ts';
import { until } from './hearth-api.ts';

export type DaemonName = 'controller' | 'host';
export type Side = 'before' | 'after';

const START_TIMEOUT_MS = 60_000;
const ARM_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 30_000;

/** One daemon of a lab that runs with `crash-point.mjs` before it: it can be told at which write to die. */
export interface MinedDaemon {
  readonly name: DaemonName;
  /** Counts from here on, and dies at that write; 0: only counts. */
  arm(at: number, side: Side): Promise<void>;
  /** The writes since it was armed, in words. */
  steps(): Promise<string[]>;
  /** Resolves when the process is gone. */
  readonly died: Promise<void>;
  readonly isDead: () => boolean;
  kill(): Promise<void>;
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Every check of the controller holds, that of the host daemon with it. */
export async function untilHealthy(lab: HearthLab): Promise<void> {
  const ask = async (): Promise<string> => {
    try {
      return healthSchema.parse(await (await lab.fetch('/health', { token: null })).json()).status;
    } catch (error) {
      return String(error);
    }
  };
  await until('a healthy Hearth', ask, (status) => status === 'ok', {
    timeoutMs: START_TIMEOUT_MS,
    everyMs: 50,
  });
}

/** Ends a daemon in order and starts it anew as `hearth up` did, but for the mine. Files of the mine lie in `folder`. */
export async function mineDaemon(lab: HearthLab, name: DaemonName, folder: string): Promise<MinedDaemon> {
  const pid = await lab.pid(name);
  const [commandLine, environ, cwd] = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, 'utf8'),
    readFile(`/proc/${pid}/environ`, 'utf8'),
    readlink(`/proc/${pid}/cwd`),
  ]);
  await endProcess(pid);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  // The controller is another user.
  await chmod(folder, 0o777);
  const [node = '', ...words] = commandLine.split('\0').filter((word) => word !== '');
  const args = words.filter((word) => word !== '--inside' && !word.startsWith('--import'));
  const mine = `--import=${join(repository, 'prove/crash-point.mjs')}?folder=${folder}`;
  const { hostLog, controllerLog, controllerPid } = places(lab.config);
  const log = await open(name === 'host' ? hostLog : controllerLog, 'a');
  const env = Object.fromEntries(
    environ
      .split('\0')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  const child = spawn(node, [mine, ...args], {
    ...{ detached: true, stdio: ['ignore', log.fd, log.fd], env, cwd },
  });
  await once(child, 'spawn');
  await log.close();
  const died = once(child, 'exit').then(() => undefined);
  const identity = await identifyProcess(child.pid ?? 0);
  if (name === 'controller' && identity !== null) await writePidFile(controllerPid, identity);
  await Promise.race([
    untilHealthy(lab),
    died.then(() => {
      throw new Error(`the ${name} with a mine ended at its start; see its log`);
    }),
  ]);
  return {
    name,
    died,
    isDead: () => child.exitCode !== null || child.signalCode !== null,
    arm: async (at, side) => {
      await writeFile(join(folder, 'plan.json'), JSON.stringify({ at, side }));
      for (const file of ['armed', 'steps']) await rm(join(folder, file), { force: true });
      child.kill('SIGUSR2');
      await Promise.race([
        until('the mine', () => isThere(join(folder, 'armed')), Boolean, {
          ...{ timeoutMs: ARM_TIMEOUT_MS, everyMs: 10 },
        }),
        died.then(async () => {
          // A write of its own accord may have come at once.
          if (await isThere(join(folder, 'armed'))) return;
          const how = child.signalCode ?? `exit code ${child.exitCode ?? '?'}`;
          throw new Error(`the ${name} with a mine ended before it was armed: ${how}`);
        }),
      ]);
    },
    steps: async () =>
      (await readFile(join(folder, 'steps'), 'utf8')).split('\n').filter((line) => line !== ''),
    kill: async () => {
      child.kill('SIGKILL');
      await died;
    },
  };
}

async function endProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM');
  const endMs = performance.now() + STOP_TIMEOUT_MS;
  while ((await identifyProcess(pid)) !== null) {
    if (performance.now() > endMs) throw new Error(`process ${pid} does not end`);
    await pause(20);
  }
}
