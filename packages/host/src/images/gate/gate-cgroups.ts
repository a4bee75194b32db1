import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pause, startProgress } from '@hearth/contract';
import { isMissing } from '../missing-file.ts';

const TIMEOUT_MS = 5000;

/** Removes the control groups of a gate's Hearth, whose processes are ended: one tree with v2, one for each controller with v1. */
export async function removeCgroups(tree: string, root = '/sys/fs/cgroup'): Promise<void> {
  const controllers = (await foldersIn(root)).map((name) => join(root, name, tree));
  for (const folder of [join(root, tree), ...controllers]) {
    for (const name of await foldersIn(folder)) await removeGroup(join(folder, name));
    await removeGroup(folder);
  }
}

async function removeGroup(folder: string): Promise<void> {
  const progress = startProgress({ what: `removal of the cgroup ${folder}`, timeoutMs: TIMEOUT_MS });
  for (;;) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      if (isMissing(error)) return;
      // A process that just ended still counts for a moment.
      if (!(error instanceof Error && 'code' in error && error.code === 'EBUSY')) throw error;
      await pause(20, progress.signal);
    }
  }
}

/** v1 joins controllers by links (cpu -> cpu,cpuacct): each is named, the second removal finds nothing. */
async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
