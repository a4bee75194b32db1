import { HearthError } from '@hearth/contract';
import { constants } from 'node:fs';
import { link, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Readable } from 'node:stream';

export interface OpenFile {
  /** null where only reading tells (files of /proc). */
  bytes: number | null;
  stream: Readable;
}

/** Throws HearthError file_not_found or file_failed. */
export async function openForReading(path: string): Promise<OpenFile> {
  // O_NONBLOCK: opening a FIFO must not wait for its writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw fileError(error, path);
  });
  try {
    const found = await file.stat();
    if (found.isDirectory()) throw new HearthError('file_failed', `${path} is a folder`);
    if (!found.isFile()) throw new HearthError('file_failed', `${path} is not a regular file`);
    if (found.size === 0) return { bytes: null, stream: file.createReadStream() };
    // Not beyond the size that was promised, should the file grow meanwhile.
    return { bytes: found.size, stream: file.createReadStream({ start: 0, end: found.size - 1 }) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

export interface WriteOptions {
  mode: number;
  uid: number;
  gid: number;
  randomBytes: (size: number) => Uint8Array;
  /**
   * replace: what is there; a symbolic link stays one and its target is replaced.
   * rename: nothing that is there is touched, the file gets another name instead, as browsers give to downloads.
   */
  conflict: 'replace' | 'rename';
}

export interface Written {
  /** Where it is now. */
  path: string;
  bytes: number;
}

/**
 * Writes a file that appears whole or not at all: beside its place, then moved there.
 * Makes no folders. Throws HearthError file_not_found, file_failed, disk_full or aborted; nothing is left behind then.
 */
export async function writeWhole(
  path: string,
  content: Readable,
  { mode, uid, gid, randomBytes, conflict }: WriteOptions,
): Promise<Written> {
  if (path.endsWith('/') || ['.', '..'].includes(basename(path)))
    throw new HearthError('file_failed', `${path} names a folder`);
  const target = conflict === 'rename' ? path : await findTarget(path);
  const part = join(dirname(target), `.hearth-${Buffer.from(randomBytes(9)).toString('base64url')}.part`);
  const file = await open(part, 'wx', 0o600).catch((error: unknown) => {
    throw fileError(error, path);
  });
  let bytes = 0;
  try {
    try {
      await file.writeFile(
        (async function* counted() {
          for await (const chunk of content as AsyncIterable<Buffer>) {
            bytes += chunk.length;
            yield chunk;
          }
        })(),
      );
      await file.chown(uid, gid);
      // After chown, which clears set-uid bits.
      await file.chmod(mode);
      await file.datasync();
    } finally {
      await file.close();
    }
    if (conflict === 'rename') return { path: await placeBeside(part, target), bytes };
    await rename(part, target);
    return { path, bytes };
  } catch (error) {
    await unlink(part).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(cause, part);
    });
    throw fileError(error, path);
  }
}

/** More files of one name than this are somebody's mistake. */
const MAX_NAMESAKES = 1000;
/** Longest name of a file (NAME_MAX). */
const MAX_NAME_BYTES = 255;

/** Gives a file its name or, where that is taken, `name (1).ext` and so on. link(2) never overwrites, whoever writes at the same time. */
async function placeBeside(part: string, target: string): Promise<string> {
  for (let count = 0; count <= MAX_NAMESAKES; count++) {
    const path = count === 0 ? target : join(dirname(target), numberedName(basename(target), count));
    try {
      await link(part, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    await unlink(part);
    return path;
  }
  throw new HearthError('file_failed', `${target}: more than ${MAX_NAMESAKES} files have this name`);
}

/** The stem gives way where the name would be too long. */
function numberedName(name: string, count: number): string {
  const extension = /\.tar\.[a-z0-9]+$/i.exec(name)?.[0] ?? extname(name);
  const tail = ` (${count})${extension}`;
  let stem = name.slice(0, name.length - extension.length);
  while (stem.length > 1 && Buffer.byteLength(stem + tail) > MAX_NAME_BYTES)
    stem = Array.from(stem).slice(0, -1).join('');
  return stem + tail;
}

async function findTarget(path: string): Promise<string> {
  try {
    const target = await realpath(path);
    const found = await stat(target);
    if (found.isDirectory()) throw new HearthError('file_failed', `${path} is a folder`);
    if (!found.isFile()) throw new HearthError('file_failed', `${path} is not a regular file`);
    return target;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path;
    throw fileError(error, path);
  }
}

/** Names the fault of a file operation. */
export function fileError(error: unknown, path: string): HearthError {
  if (error instanceof HearthError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const options = { cause: error };
  switch (code) {
    case 'ENOENT':
      return new HearthError('file_not_found', `${path} or its folder does not exist`, options);
    case 'ENOSPC':
    case 'EDQUOT':
      return new HearthError('disk_full', `no space is left in the VM for ${path}`, {
        ...options,
        hint: 'Free space in the VM, or create one with a larger disk.',
      });
    case 'ERR_STREAM_PREMATURE_CLOSE':
    case 'ECONNRESET':
      return new HearthError('aborted', `the content of ${path} was cut off`, options);
    default:
      return new HearthError('file_failed', `${path}: ${describe(error, code)}`, options);
  }
}

function describe(error: unknown, code: string): string {
  const known: Record<string, string> = {
    EACCES: 'permission denied (EACCES)',
    EPERM: 'not permitted (EPERM)',
    EROFS: 'the filesystem is read-only (EROFS)',
    EISDIR: 'is a folder (EISDIR)',
    ENOTDIR: 'a part of the path is not a folder (ENOTDIR)',
    ENAMETOOLONG: 'the name is too long (ENAMETOOLONG)',
    ELOOP: 'too many symbolic links (ELOOP)',
    ENXIO: 'is not a regular file (ENXIO)',
  };
  return known[code] ?? (error instanceof Error ? error.message : String(error));
}
