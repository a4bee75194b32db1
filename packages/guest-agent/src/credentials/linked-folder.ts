import { HearthError } from '@hearth/contract';
import { lstat, mkdir, lchown, readdir, readFile, readlink, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { runCommand } from '../exec/run-command.ts';
import {
  eraseFile,
  isBelow,
  isLinkTo,
  isMissing,
  makeFolders,
  placeLink,
  removeLink,
  type Owner,
} from './secret-files.ts';

/**
 * A folder of the home that is a link into the tmpfs, for tools that rename over their credential file: a link to the file alone would
 * be lost, and the secret would come to the disk. All but the secrets is on the disk beside it, with a link in the tmpfs for each entry.
 */
export interface LinkedFolder {
  /** Where the tool looks. */
  linked: string;
  inMemory: string;
  onDisk: string;
  /** Relative to the folder. */
  secrets: readonly string[];
  owner: Owner;
}

/** An entry that was touched since may be one that the tool is about to rename over its secret. */
const QUIET_MS = 2000;

/** Makes the folder a link, from whatever state an end at any step left. Throws HearthError. */
export async function linkFolder(folder: LinkedFolder): Promise<void> {
  const { linked, inMemory, onDisk, secrets, owner } = folder;
  await makeFolders(dirname(onDisk), '.', owner);
  if (!(await isLinkTo(linked, inMemory))) await moveAside(folder);
  for (const path of secrets) await eraseFile(join(onDisk, path));
  await mkdir(onDisk, { mode: 0o700 }).then(
    () => lchown(onDisk, owner.uid, owner.gid),
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    },
  );
  const present = new Set(await readdir(inMemory));
  for (const name of await readdir(onDisk)) {
    if (present.has(name) || secrets.includes(name)) continue;
    await placeLink(join(inMemory, name), join(onDisk, name), owner);
  }
  await placeLink(linked, inMemory, owner);
}

/** Makes it an ordinary folder again, without the secrets. @param never what must not come to the disk */
export async function unlinkFolder(folder: LinkedFolder, never: readonly string[]): Promise<void> {
  const { linked, inMemory, onDisk } = folder;
  await settleFolder(folder, { forced: true, never });
  if (!(await removeLink(linked, inMemory))) return;
  if (await exists(onDisk)) await rename(onDisk, linked);
}

export interface SettleOptions {
  /** Also what is open or was just written: nobody uses the folder any more. */
  forced?: boolean;
  /** No file with one of these in it comes to the disk. */
  never?: readonly string[];
  now?: () => number;
}

/**
 * Moves what the tool made in the tmpfs to the disk, and links it.
 * @returns whether something is left to be moved later: it is in use
 */
export async function settleFolder(
  { inMemory, onDisk, secrets }: LinkedFolder,
  { forced = false, never = [], now = Date.now }: SettleOptions = {},
): Promise<boolean> {
  const names = await readdir(inMemory, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const isSecret = (name: string): boolean =>
    secrets.some((path) => name.startsWith(path.split('/')[0] ?? path));
  const fresh = names.filter((entry) => (entry.isFile() || entry.isDirectory()) && !isSecret(entry.name));
  if (fresh.length === 0) return false;
  const open = forced ? [] : await openBelow(inMemory);
  let left = false;
  for (const { name } of fresh) {
    const from = join(inMemory, name);
    const { mtimeMs } = await lstat(from);
    const inUse = open.some((path) => isBelow(path, from)) || now() - mtimeMs < QUIET_MS;
    if (!forced && inUse) left = true;
    else if (!(await holdsAny(from, never))) await moveEntry(from, join(onDisk, name));
  }
  return left;
}

async function moveEntry(from: string, to: string): Promise<void> {
  // As the owner's, with links as links; an older one of the name gives way.
  await rm(to, { recursive: true, force: true });
  await runCommand('cp', ['-a', '--', from, to]);
  const { uid, gid } = await lstat(from);
  const aside = join(dirname(from), `.hearth-moved-${basename(from)}`);
  await rename(from, aside);
  await placeLink(from, to, { uid, gid });
  await rm(aside, { recursive: true, force: true });
}

/** Whatever is at the folder's place becomes the folder on the disk, or goes into it. */
async function moveAside({ linked, inMemory, onDisk, secrets }: LinkedFolder): Promise<void> {
  const found = await lstat(linked).catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (found === null) return;
  if (found.isSymbolicLink()) {
    // A person's own link to a folder elsewhere stays what it is, under the other name; one of ours to a tmpfs of old is dropped.
    const target = await readlink(linked);
    if ((await exists(onDisk)) || target === inMemory) await rm(linked);
    else await rename(linked, onDisk);
    return;
  }
  if (!found.isDirectory()) throw new HearthError('file_failed', `${linked} is not a folder`);
  for (const path of secrets) await eraseFile(join(linked, path));
  if (!(await exists(onDisk))) {
    await rename(linked, onDisk);
    return;
  }
  for (const name of await readdir(linked)) {
    await rm(join(onDisk, name), { recursive: true, force: true });
    await rename(join(linked, name), join(onDisk, name));
  }
  await rmdir(linked);
}

/** Paths below a folder that some process has open, or works in. */
async function openBelow(folder: string, proc = '/proc'): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir(proc)).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(`${proc}/${pid}/fd`).catch(() => []);
    for (const link of [`${proc}/${pid}/cwd`, ...descriptors.map((fd) => `${proc}/${pid}/fd/${fd}`)]) {
      const path = await readlink(link).catch(() => '');
      if (path !== '' && isBelow(path, folder)) found.push(path);
    }
  }
  return found;
}

async function holdsAny(path: string, words: readonly string[]): Promise<boolean> {
  if (words.length === 0) return false;
  const entries = await readdir(path, { withFileTypes: true, recursive: true }).catch(() => null);
  const files =
    entries === null
      ? [path]
      : entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files) {
    const content = await readFile(file);
    if (words.some((word) => content.includes(word))) return true;
  }
  return false;
}

async function exists(path: string): Promise<boolean> {
  return (
    (await lstat(path).catch((error: unknown) =>
      isMissing(error) ? null : Promise.reject(error as Error),
    )) !== null
  );
}
