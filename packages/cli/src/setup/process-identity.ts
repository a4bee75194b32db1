import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';

/** A process beyond doubt: a pid alone may be another's by now. */
const identitySchema = z.object({
  pid: z.int().positive(),
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  startTicks: z.int().nonnegative(),
});
export type ProcessIdentity = z.infer<typeof identitySchema>;

/** Who runs under a pid; null where nobody does, or only a zombie. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | null> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return { pid, startTicks: Number(fields[19]) };
}

/** The living process of a pid file; null where the file is missing, unreadable or of a process that is gone. */
export async function livingProcess(pidFile: string): Promise<ProcessIdentity | null> {
  const text = await readIfThere(pidFile);
  if (text === null) return null;
  const recorded = identitySchema.safeParse(parseJson(text));
  if (!recorded.success) return null;
  const now = await identifyProcess(recorded.data.pid);
  return now?.startTicks === recorded.data.startTicks ? now : null;
}

export async function writePidFile(pidFile: string, identity: ProcessIdentity): Promise<void> {
  await writeFile(`${pidFile}.new`, JSON.stringify(identity));
  await rename(`${pidFile}.new`, pidFile);
}

/** Sends a signal to the very process that was recorded; false where it is gone. */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  const now = await identifyProcess(identity.pid);
  if (now?.startTicks !== identity.startTicks) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A crash may leave half a file: it names no process.
    return null;
  }
}
