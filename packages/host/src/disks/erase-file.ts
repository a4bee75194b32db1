import { open } from 'node:fs/promises';
import { dataExtents } from './data-extents.ts';

const CHUNK_BYTES = 1024 * 1024;

/**
 * Overwrites what a file has on the disk with zeros, durably, before somebody unlinks it: a secret in a file that is only unlinked
 * stays in the disk's free blocks. A file that isn't there is erased. (What a copy-on-write file system or an SSD keeps of old blocks is
 * beyond reach from here: docs/security.md.)
 */
export async function eraseFile(path: string): Promise<void> {
  let handle;
  try {
    handle = await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const zeros = Buffer.alloc(CHUNK_BYTES);
    for (const { start, end } of (await dataExtents(path)) ?? [{ start: 0, end: size }])
      for (let at = start; at < Math.min(end, size); at += CHUNK_BYTES)
        await handle.write(zeros, 0, Math.min(CHUNK_BYTES, end - at, size - at), at);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
