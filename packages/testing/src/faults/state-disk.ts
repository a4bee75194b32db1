import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';

/** `hearth up` wants 2 GiB to be free; only what is written takes memory. */
const SIZE_MIB = 4096;
/** What the daemons need for their journals meanwhile. */
const LEFT_MIB = 2;
const MIB = 1024 * 1024;

/** A file system in memory for a lab's state, so that a full disk can be made and unmade. */
export interface StateDisk {
  readonly path: string;
  fill(): Promise<void>;
  empty(): Promise<unknown>;
  freeMiB(): Promise<number>;
  remove(): Promise<void>;
}

export async function makeStateDisk(): Promise<StateDisk> {
  const path = await mkdtemp(join(tmpdir(), 'hearth-faults-'));
  // The controller and the VMMs are other users and must get through.
  await command('mount', '-t', 'tmpfs', '-o', `size=${SIZE_MIB}m,mode=755`, 'hearth-faults', path);
  const resize = (mib: number): Promise<string> => command('mount', '-o', `remount,size=${mib}m`, path);
  return {
    path,
    // A disk that shrinks is full without a file that fills it.
    fill: async () => {
      const { blocks, bfree, bsize } = await statfs(path);
      await resize(Math.ceil(((blocks - bfree) * bsize) / MIB) + LEFT_MIB);
    },
    empty: () => resize(SIZE_MIB),
    freeMiB: async () => {
      const { bavail, bsize } = await statfs(path);
      return (bavail * bsize) / MIB;
    },
    remove: async () => {
      await command('umount', path);
      await rm(path, { recursive: true });
    },
  };
}
