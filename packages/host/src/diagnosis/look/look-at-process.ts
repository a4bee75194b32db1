import { readFile } from 'node:fs/promises';
import { isAlive, type ProcessIdentity } from '../../exec/process-identity.ts';

export interface ProcessSight {
  pid: number;
  /** Of /proc/PID/stat: R, S, D, T (stopped by a signal), t (by a debugger). */
  state: string;
  commandLine: string;
}

/** null where that very process is gone. */
export async function lookAtProcess(identity: ProcessIdentity): Promise<ProcessSight | null> {
  if (!(await isAlive(identity))) return null;
  const { pid } = identity;
  try {
    const [stat, commandLine] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ]);
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    return { pid, state, commandLine: commandLine.replaceAll('\0', ' ').trim() };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}
