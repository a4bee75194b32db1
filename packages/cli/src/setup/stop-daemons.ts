import { rm } from 'node:fs/promises';
import { HearthError, pause, startProgress, type Config } from '@hearth/contract';
import { places } from './places.ts';
import { livingProcess, signalProcess } from './process-identity.ts';

const STOP_TIMEOUT_MS = 30_000;
/** VMs are saved or deleted before the daemon ends. */
const SAVE_TIMEOUT_MS = 10 * 60_000;
const KILL_TIMEOUT_MS = 10_000;
const LOOK_MS = 50;

/** What becomes of the VMs. configured: as `host.onStop` says (SIGTERM to the host daemon); stay: they go on (SIGINT). */
export type FateOfVms = 'configured' | 'stay';

/** The controller first: it must not answer for a host that is gone. */
export async function stopDaemons(config: Config, vms: FateOfVms): Promise<string[]> {
  const { hostPid, controllerPid } = places(config);
  const stopped: string[] = [];
  if (await stopProcess(controllerPid, 'controller')) stopped.push('controller');
  const saves = vms === 'configured' && config.host.onStop !== 'stay';
  const how = saves
    ? { signal: 'SIGTERM' as const, timeoutMs: SAVE_TIMEOUT_MS }
    : { signal: 'SIGINT' as const, timeoutMs: STOP_TIMEOUT_MS };
  if (await stopProcess(hostPid, 'host daemon', how)) stopped.push('host daemon');
  return stopped;
}

interface HowToEnd {
  signal: NodeJS.Signals;
  timeoutMs: number;
}

/** Ends the process of a pid file: politely, and by SIGKILL where it does not listen. False where none was running. */
export async function stopProcess(
  pidFile: string,
  title: string,
  { signal: first, timeoutMs: patienceMs }: HowToEnd = { signal: 'SIGTERM', timeoutMs: STOP_TIMEOUT_MS },
): Promise<boolean> {
  const identity = await livingProcess(pidFile);
  if (identity === null) {
    await rm(pidFile, { force: true });
    return false;
  }
  for (const [signal, timeoutMs] of [
    [first, patienceMs],
    ['SIGKILL', KILL_TIMEOUT_MS],
  ] as const) {
    await signalProcess(identity, signal);
    if (await isGone(pidFile, timeoutMs)) {
      await rm(pidFile, { force: true });
      return true;
    }
  }
  throw new HearthError('internal', `the ${title} (process ${identity.pid}) does not end`, {
    hint: `Look at it: ps -o pid,stat,wchan,cmd ${identity.pid}`,
  });
}

async function isGone(pidFile: string, timeoutMs: number): Promise<boolean> {
  const progress = startProgress({ what: 'the end of a process', timeoutMs });
  for (;;) {
    if ((await livingProcess(pidFile)) === null) return true;
    try {
      await pause(LOOK_MS, progress.signal);
    } catch (error) {
      if (progress.signal.aborted) return false;
      throw error;
    }
  }
}
