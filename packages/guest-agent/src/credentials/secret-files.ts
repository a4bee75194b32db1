import { HearthError } from '@hearth/contract';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import {
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  symlink,
  unlink,
} from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileError } from '../system/files.ts';

export interface Owner {
  uid: number;
  gid: number;
}

/** Larger ones are no credential; what a guest's user puts there must not eat the agent's memory. */
const MAX_SECRET_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(64 * 1024);

/** null where there is no regular file, or one that is no credential by its size. Links aren't followed: root reads what a user may write. */
export async function readSecret(path: string): Promise<Buffer | null> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      if (!found.isFile() || found.size > MAX_SECRET_BYTES) return null;
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error) || codeOf(error) === 'ELOOP') return null;
    throw fileError(error, path);
  }
}

export interface NewFile {
  path: string;
  content: Uint8Array;
  owner: Owner;
}

/**
 * Puts all files in place, each whole, or none of them. Their folders exist. Throws HearthError disk_full or file_failed; what was
 * there before is there still then.
 */
export async function writeTogether(
  files: readonly NewFile[],
  randomBytes: (size: number) => Uint8Array,
): Promise<void> {
  const parts = files.map((file) => ({
    ...file,
    part: `${file.path}.${Buffer.from(randomBytes(6)).toString('hex')}.part`,
  }));
  try {
    for (const { part, path, content, owner } of parts) {
      try {
        const file = await open(part, 'wx', 0o600);
        try {
          await file.writeFile(content);
          await file.chown(owner.uid, owner.gid);
        } finally {
          await file.close();
        }
      } catch (error) {
        throw fileError(error, path);
      }
    }
    for (const { part, path } of parts) await rename(part, path);
  } finally {
    await Promise.all(parts.map(({ part }) => eraseFile(part)));
  }
}

/** Overwrites a file with zeros and removes it; a link is removed, not what it leads to. Nothing there is no fault. */
export async function eraseFile(path: string): Promise<void> {
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat();
      for (let at = 0; at < size; at += ZEROS.length)
        await file.write(ZEROS, 0, Math.min(ZEROS.length, size - at), at);
      await file.datasync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return;
    // A link, a socket, a FIFO without a reader: there is nothing in it.
    if (!['ELOOP', 'ENXIO'].includes(codeOf(error))) throw fileError(error, path);
  }
  await rm(path, { force: true });
}

/** Erases a folder with all that is in it. */
export async function eraseFolder(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw fileError(error, path);
  });
  for (const entry of entries) if (entry.isFile()) await eraseFile(join(entry.parentPath, entry.name));
  await rm(path, { recursive: true, force: true });
}

/** sha256 over paths, lengths and bytes (or names and values), hex: as heldCredentialSchema.digest. */
export function digestOf(parts: readonly (readonly [name: string, content: Uint8Array | string])[]): string {
  const hash = createHash('sha256');
  for (const [name, content] of parts)
    hash.update(`${name}\0${Buffer.byteLength(content)}\0`).update(content);
  return hash.digest('hex');
}

/**
 * Makes the folders that lead to a place below the root, as its owner's alone. Throws HearthError file_failed where something that is
 * no folder is in the way, or a link leads out: root must not follow a user there.
 */
export async function makeFolders(root: string, path: string, owner: Owner): Promise<void> {
  const base = await realpath(root);
  let at = base;
  for (const name of path.split('/').filter((part) => !['', '.'].includes(part))) {
    at = join(at, name);
    try {
      await mkdir(at, { mode: 0o700 });
      const folder = await open(at, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      try {
        await folder.chown(owner.uid, owner.gid);
      } finally {
        await folder.close();
      }
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw fileError(error, at);
      at = await realpath(at).catch((cause: unknown) => {
        throw new HearthError('file_failed', `${at} is a link that leads nowhere`, { cause });
      });
      if (!isBelow(at, base)) throw new HearthError('file_failed', `${at} is not below ${base}`);
      if (!(await lstat(at)).isDirectory()) throw new HearthError('file_failed', `${at} is not a folder`);
    }
  }
}

/** Puts a link there in one step, in place of a file or link. */
export async function placeLink(path: string, target: string, owner: Owner): Promise<void> {
  const part = join(dirname(path), `.hearth-link-${process.pid}-${process.hrtime.bigint()}`);
  try {
    await symlink(target, part);
    // Of no use to the kernel, but `ls` shows whose it is.
    await lchown(part, owner.uid, owner.gid);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw fileError(error, path);
  }
}

/** Removes a link that leads to this target; anything else stays. */
export async function removeLink(path: string, target: string): Promise<boolean> {
  if (!(await isLinkTo(path, target))) return false;
  await unlink(path);
  return true;
}

export async function isLinkTo(path: string, target: string): Promise<boolean> {
  try {
    return (await readlink(path)) === target;
  } catch (error) {
    if (isMissing(error) || codeOf(error) === 'EINVAL') return false;
    throw fileError(error, path);
  }
}

export function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`));
}

export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
