import { readFile } from 'node:fs/promises';

/** A file's text; empty where it isn't there. */
export async function readOptionalFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // /proc answers ESRCH for a process that just ended.
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
}
