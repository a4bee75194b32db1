import { HearthError } from '@hearth/contract';
import { constants } from 'node:fs';
import { mkdir, open, realpath, rename, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileError } from '../system/files.ts';

/** Whose a folder or file becomes. */
export interface Owner {
  uid: number;
  gid: number;
}

/** A folder that is held open: whatever its path leads to later, this is what is worked in. */
export interface HeldFolder {
  path: string;
  handle: FileHandle;
}

/**
 * The agent is root in folders that an ordinary user may change at any time. So a path is not followed twice: each folder is opened
 * from within the one before it, and never through a link.
 */
export const entryOf = (folder: FileHandle, name: string): string => `/proc/self/fd/${folder.fd}/${name}`;

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/**
 * Opens a folder inside the home, wherever links lead to, as long as that is inside. With `make` what is missing of it is made, as
 * the owner's. Throws bad_request where it is or leads outside, file_not_found, file_failed or disk_full.
 */
export async function openInside(
  home: string,
  path: string,
  owner: Owner,
  make: boolean,
): Promise<HeldFolder> {
  const root = await realpath(home).catch((error: unknown) => {
    throw fileError(error, home);
  });
  const { real, missing } = await resolveExisting(resolve(path), path);
  const inside = relative(root, real);
  if (inside === '..' || inside.startsWith('../'))
    throw new HearthError('bad_request', `${path} is not inside ${home}`, {
      issues: [{ path: 'cwd', message: `must be inside ${home}` }],
    });
  const parts = [...(inside === '' ? [] : inside.split('/')), ...missing];
  const top = await openFolder(root, path);
  return { path: join(root, ...parts), handle: await descend(top, parts, path, make ? owner : null) };
}

/** The folder that is there of a path, its links resolved, and what is missing behind it. */
async function resolveExisting(path: string, named: string): Promise<{ real: string; missing: string[] }> {
  const missing: string[] = [];
  for (let at = path; ; at = dirname(at)) {
    try {
      return { real: await realpath(at), missing };
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || at === '/') throw fileError(error, named);
      missing.unshift(basename(at));
    }
  }
}

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Opens a folder in a folder; throws what the system says, ENOTDIR for a link. */
export const openEntryFolder = (parent: FileHandle, name: string): Promise<FileHandle> =>
  open(entryOf(parent, name), FOLDER_FLAGS);

async function openFolder(path: string, named: string): Promise<FileHandle> {
  try {
    return await open(path, FOLDER_FLAGS);
  } catch (error) {
    // With both flags Linux says ENOTDIR of a link.
    if (codeOf(error) === 'ENOTDIR' || codeOf(error) === 'ELOOP')
      throw new HearthError('bad_request', `${named} leads over what is no folder, or over a link`, {
        cause: error,
      });
    throw fileError(error, named);
  }
}

/** Closes the folder that it starts from. */
async function descend(
  from: FileHandle,
  parts: readonly string[],
  named: string,
  maker: Owner | null,
): Promise<FileHandle> {
  let folder = from;
  for (const part of parts) {
    const parent = folder;
    try {
      const made = maker !== null && (await makeFolder(entryOf(parent, part), named));
      folder = await openFolder(entryOf(parent, part), named);
      if (made) await folder.chown(maker.uid, maker.gid);
    } finally {
      await parent.close();
    }
  }
  return folder;
}

/** false where it is there. */
async function makeFolder(path: string, named: string): Promise<boolean> {
  try {
    await mkdir(path, 0o755);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw fileError(error, named);
  }
}

/** Throws bad_request for a path that is not plainly below a folder. */
export function partsOf(path: string): string[] {
  const parts = path.split('/');
  if (path.includes('\0') || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new HearthError('bad_request', `${JSON.stringify(path)} is no path below the folder of the run`, {
      issues: [{ path: 'files', message: 'paths must be relative, without empty parts, `.` or `..`' }],
    });
  return parts;
}

/**
 * Writes a file below a folder, whole or not at all, and the folders on the way to it. A link in the place of the file is replaced.
 * Throws bad_request where links are on the way, file_failed or disk_full.
 */
export async function writeBelow(
  folder: HeldFolder,
  path: string,
  content: Uint8Array,
  owner: Owner,
  randomBytes: (size: number) => Uint8Array,
): Promise<void> {
  const parts = partsOf(path);
  const name = parts.pop() ?? '';
  const start = await openFolder(entryOf(folder.handle, '.'), path);
  const parent = await descend(start, parts, path, owner);
  const part = entryOf(parent, `.hearth-${Buffer.from(randomBytes(9)).toString('base64url')}.part`);
  try {
    const file = await open(part, 'wx', 0o644);
    try {
      await file.writeFile(content);
      await file.chown(owner.uid, owner.gid);
    } finally {
      await file.close();
    }
    await rename(part, entryOf(parent, name));
  } catch (error) {
    await unlink(part).catch((cause: unknown) => {
      if (codeOf(cause) !== 'ENOENT') throw fileError(cause, path);
    });
    throw fileError(error, path);
  } finally {
    await parent.close();
  }
}
