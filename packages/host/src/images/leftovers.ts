import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HearthError } from '@hearth/contract';
import { identifyProcess, isAlive } from '../exec/process-identity.ts';
import { run } from '../exec/run.ts';

const NAME = /^\.building-(\d+)-(\d+)-[0-9a-f]+$/;

/** Makes the folder of one build. Its name says who builds, so that the next build can tell whether that one lives. */
export async function makeBuildFolder(root: string, random: string): Promise<string> {
  const self = await identifyProcess(process.pid);
  if (self === null) throw new HearthError('internal', 'this process is not in /proc');
  const folder = join(root, `.building-${self.pid}-${self.startTicks}-${random}`);
  await mkdir(folder, { mode: 0o755 });
  return folder;
}

/** Removes what dead builds left behind. Returns the folders that went. */
export async function removeLeftovers(root: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(root)) {
    const match = NAME.exec(name);
    if (match === null) continue;
    if (await isAlive({ pid: Number(match[1]), startTicks: Number(match[2]) })) continue;
    const folder = join(root, name);
    await removeTree(folder);
    removed.push(folder);
  }
  return removed;
}

/** Removes a build's folder, never through a mount: /proc or /dev of the host could be on the other side. */
export async function removeTree(folder: string): Promise<void> {
  for (const point of await mountPointsBelow(folder))
    await run('umount', [point], { code: 'image_build_failed' });
  const left = await mountPointsBelow(folder);
  if (left.length > 0) {
    throw new HearthError('image_build_failed', `${left.join(', ')} can't be unmounted; nothing was removed`);
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** Mount points in a folder, the deepest first. */
export async function mountPointsBelow(folder: string, mountInfo?: string): Promise<string[]> {
  const text = mountInfo ?? (await readFile('/proc/self/mountinfo', 'utf8'));
  return text
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((point) =>
      point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    )
    .filter((point) => point.startsWith(`${folder}/`))
    .sort((a, b) => b.split('/').length - a.split('/').length || (a < b ? 1 : -1));
}
