import { mkdir, mkdtemp, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';

const MIB = 1024 * 1024;
/** `hearth up` wants 2 GiB to be free; only what is written takes room. */
const SIZE_MIB = 8192;
/** What the daemons need for their journals meanwhile. */
const LEFT_MIB = 2;

/** A file system of a lab's own for its state, so that a full disk can be made and unmade. */
export interface StateDisk {
  readonly path: string;
  fill(): Promise<void>;
  empty(): Promise<void>;
  freeMiB(): Promise<number>;
  remove(): Promise<void>;
}

/**
 * An ext4 in a sparse file, as state lies on such a one in earnest: a tmpfs doesn't say where a file has data, so that erasing a disk of
 * 16 GiB would fill it.
 */
export async function makeStateDisk(): Promise<StateDisk> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-faults-'));
  const image = join(folder, 'disk.ext4');
  const path = join(folder, 'disk');
  const filler = join(path, 'filler');
  try {
    // The controller and the VMMs are other users and must get through.
    await command('chmod', '755', folder);
    await writeFile(image, '');
    await truncate(image, SIZE_MIB * MIB);
    await command('mkfs.ext4', '-q', '-F', '-m', '0', '-O', '^has_journal', image);
    await mkdir(path);
    await command('mount', '-o', 'loop', image, path);
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
  const freeMiB = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(path);
    return (bavail * bsize) / MIB;
  };
  return {
    path,
    freeMiB,
    // Reserved, and never written: it takes no room on the disk below.
    fill: async () => {
      const reserved = Math.floor(await freeMiB()) - LEFT_MIB;
      await command('fallocate', '-l', `${reserved}MiB`, filler);
    },
    empty: () => rm(filler, { force: true }),
    remove: async () => {
      await command('umount', path);
      await rm(folder, { recursive: true });
    },
  };
}
