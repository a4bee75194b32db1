import { readdir, readFile } from 'node:fs/promises';

/** Field 6 of /proc/<pid>/stat; the command's name before it may hold blanks and parentheses. */
const SESSION_FIELD = 3;

/** Ids of all processes of a session, those in groups of their own (a shell's jobs) included. */
export async function processesOfSession(session: number, proc = '/proc'): Promise<number[]> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`${proc}/${pid}/stat`, 'utf8').catch(unlessGone);
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] !== 'Z' && Number(fields[SESSION_FIELD]) === session ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** false where the process is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function unlessGone(error: unknown): string {
  // It ended while it was read.
  if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
  throw error;
}
