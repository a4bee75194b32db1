import { statfs } from 'node:fs/promises';
import { HearthError, type Progress } from '@hearth/contract';
import { copySparse } from './copy-sparse.ts';

/** Room that must stay free when a VM is made: its disk grows only later, and the host must not choke. */
const MIN_FREE_MIB = 1024;

export async function freeMiB(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.floor((bavail * bsize) / 1024 / 1024);
}

/**
 * A VM's own disk: a sparse copy of an empty file system (O(1) in the size of the image, F16).
 * Throws disk_full or disk_failed.
 */
export async function makePrivateDisk(
  templatePath: string,
  path: string,
  folder: string,
  progress: Progress,
): Promise<void> {
  const free = await freeMiB(folder);
  if (free < MIN_FREE_MIB) {
    throw new HearthError('disk_full', `${folder} has ${free} MiB free; a new VM needs ${MIN_FREE_MIB} MiB`);
  }
  await copySparse(templatePath, path, { signal: progress.signal, code: 'disk_failed' });
}
