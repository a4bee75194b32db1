import { readdir, readFile, readlink } from 'node:fs/promises';

/** The pid of a process that has one of the files open or mapped (a VMM that runs from it), or null. */
export async function findHolder(files: ReadonlySet<string>): Promise<number | null> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of await readdir(`/proc/${pid}/fd`)) {
        if (files.has(await readlink(`/proc/${pid}/fd/${fd}`))) return Number(pid);
      }
      // A mapping holds a file also where its descriptor was closed.
      for (const line of (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n')) {
        const start = line.indexOf('/');
        if (start !== -1 && files.has(line.slice(start))) return Number(pid);
      }
    } catch (error) {
      // Processes and their descriptors end while we look.
      if (!isGone(error)) throw error;
    }
  }
  return null;
}

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES']);

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && GONE.has(String(error.code));
}
