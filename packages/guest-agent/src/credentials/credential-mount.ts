import { HearthError } from '@hearth/contract';
import { mkdir, readFile } from 'node:fs/promises';
import { runCommand } from '../exec/run-command.ts';

const SIZE = '8m';

/**
 * Mounts the tmpfs that holds the credentials, unless it is: small, so that a full one hurts nobody else, and never swapped out where
 * the kernel can promise that (6.4). Throws HearthError.
 */
export async function mountCredentials(folder: string): Promise<void> {
  if (await isMounted(folder)) return;
  await mkdir(folder, { recursive: true, mode: 0o711 });
  const mount = (more: string): Promise<string> =>
    runCommand('mount', [
      ...['-t', 'tmpfs', '-o', `size=${SIZE},mode=0711,nosuid,nodev,noexec${more}`, 'hearth-credentials'],
      folder,
    ]);
  try {
    await mount(',noswap');
  } catch (error) {
    // An older kernel refuses the whole mount for an option that it doesn't know.
    if (!(error instanceof HearthError)) throw error;
    await mount('');
  }
}

async function isMounted(folder: string): Promise<boolean> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table.split('\n').some((line) => line.split(' ')[4] === folder);
}
