import { readFile } from 'node:fs/promises';
import { pause, type Progress } from '@hearth/contract';

/** A process beyond doubt: a pid alone may be another's by now. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  startTicks: number;
}

/** A process, and what it is doing. */
export interface ProcessSight extends ProcessIdentity {
  /** The first 15 bytes of its program's name. */
  command: string;
  parentPid: number;
  /** By a signal (SIGSTOP) or a debugger: it does nothing until it is continued. */
  stopped: boolean;
}

/** Reads who runs under a pid; null where nobody does, or only a zombie. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | null> {
  const found = await lookAtProcess(pid);
  return found === null ? null : { pid, startTicks: found.startTicks };
}

/** The same, with what it is doing. */
export async function lookAtProcess(pid: number): Promise<ProcessSight | null> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return {
    pid,
    startTicks: Number(fields[19]),
    parentPid: Number(fields[1]),
    command: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
    stopped: fields[0] === 'T' || fields[0] === 't',
  };
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(identity.pid);
  return now !== null && now.startTicks === identity.startTicks;
}

/** Sends a signal to the very process that was recorded; false where it is gone. */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

const POLL_MS = 20;

/** Ends a process that needn't be our child, and returns when it is gone: asks it to, and kills it where it doesn't within `graceMs`. */
export async function endProcess(
  identity: ProcessIdentity,
  graceMs: number,
  progress: Progress,
): Promise<void> {
  if (graceMs > 0) await signalProcess(identity, 'SIGTERM');
  const killAtMs = performance.now() + graceMs;
  let killed = false;
  while (await isAlive(identity)) {
    if (!killed && performance.now() >= killAtMs) {
      await signalProcess(identity, 'SIGKILL');
      killed = true;
    }
    await pause(POLL_MS, progress.signal);
  }
}
