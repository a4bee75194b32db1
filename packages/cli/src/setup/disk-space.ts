import { readdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HearthError, type Config } from '@hearth/contract';
import { formatBytes } from '../terminal/duration.ts';
import type { Step } from './steps.ts';

const GIB = 1024 ** 3;
/** A first build: tree, layers and the download of the packages, measured at about 5 GB. */
const FIRST_IMAGE_BYTES = 8 * GIB;
/** Another agent layer, logs. */
const STORE_BYTES = 1 * GIB;
/** Database, consoles and the first pages of VMs' disks. */
const STATE_BYTES = 2 * GIB;

export interface SpaceNeed {
  path: string;
  what: string;
  bytes: number;
  /** Free for an ordinary process, on which filesystem. */
  freeBytes: number;
  filesystem: string;
}

/** Adds up what goes onto the same filesystem; throws with the numbers where it does not fit. */
export function judgeSpace(needs: readonly SpaceNeed[]): string {
  for (const { filesystem, freeBytes } of needs) {
    const here = needs.filter((need) => need.filesystem === filesystem);
    const wanted = here.reduce((sum, { bytes }) => sum + bytes, 0);
    if (freeBytes >= wanted) continue;
    const parts = here
      .map(({ what, path, bytes }) => `${formatBytes(bytes)} for ${what} (${path})`)
      .join(' and ');
    throw new HearthError('disk_full', `${formatBytes(freeBytes)} are free, ${parts} are needed`, {
      hint: 'Free some space, or put `stateDir` and `imageStore` of the configuration onto a larger disk.',
    });
  }
  return needs.map(({ path, freeBytes }) => `${formatBytes(freeBytes)} free at ${path}`).join(', ');
}

export function diskSpaceStep({ stateDir, imageStore }: Config): Step {
  const check = async (): Promise<string> => {
    const hasImage = (await namesIn(`${imageStore}/images`)).length > 0;
    return judgeSpace([
      await measure(
        imageStore,
        hasImage ? 'images' : 'the first image',
        hasImage ? STORE_BYTES : FIRST_IMAGE_BYTES,
      ),
      await measure(stateDir, 'the state of the VMs', STATE_BYTES),
    ]);
  };
  return { name: 'Disk space', expectedMs: 10, isDone: check, run: check };
}

async function measure(path: string, what: string, bytes: number): Promise<SpaceNeed> {
  const existing = await nearestFolder(path);
  const { bavail, bsize, type, blocks } = await statfs(existing);
  return { path, what, bytes, freeBytes: bavail * bsize, filesystem: `${type}:${blocks}:${bavail}` };
}

/** The folder itself or the nearest above it that exists. */
async function nearestFolder(path: string): Promise<string> {
  try {
    await statfs(path);
    return path;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if ((code !== 'ENOENT' && code !== 'ENOTDIR') || path === '/') throw error;
    return nearestFolder(dirname(path));
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
