import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskLabels } from '@hearth/contract';
import { hashValue } from './content-hash.ts';
import { makeExt4 } from './ext4.ts';
import { openStore } from './image-store.ts';
import { isMissing } from './missing-file.ts';

/**
 * - lazy_itable_init=0 with discard: a fresh sparse file reads as zeros, so the inode tables count as zeroed without being
 *   written, and the guest's kernel doesn't zero (and so allocate) them later.
 * - a journal of 8 MiB: a killed VMM leaves a disk that mounts.
 */
const OPTIONS = [
  '-J',
  'size=8',
  '-O',
  '^resize_inode',
  '-E',
  'discard,lazy_itable_init=0,lazy_journal_init=1',
];

/**
 * The path of an empty file system of this size for a VM's own disk, to be copied sparsely (about 0.2 MB for 16 GiB).
 * Made once a size; safe to call at the same time from several processes.
 */
export async function makeUpperTemplate(root: string, sizeMiB: number, signal: AbortSignal): Promise<string> {
  const { templates } = await openStore(root);
  const seed = hashValue({ sizeMiB, OPTIONS });
  const path = join(templates, `upper-${sizeMiB}-${seed.slice(0, 12)}.ext4`);
  try {
    await stat(path);
    return path;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const unique = `.making-${process.pid}-${crypto.randomUUID()}`;
  const content = join(templates, unique);
  const temporary = join(templates, `${unique}.ext4`);
  try {
    // The initramfs would make these two at the first boot; here they cost nothing.
    for (const name of ['data', 'work']) {
      await mkdir(join(content, name), { recursive: true });
      // The guest's / has the mode of `data`, whatever the umask here is.
      await chmod(join(content, name), 0o755);
    }
    await makeExt4({
      path: temporary,
      label: diskLabels.upper,
      sizeMiB,
      content,
      seed,
      options: OPTIONS,
      signal,
    });
    await chmod(temporary, 0o444);
    await rename(temporary, path);
  } finally {
    await rm(content, { recursive: true, force: true });
    await rm(temporary, { force: true });
  }
  return path;
}
