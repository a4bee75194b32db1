import { HearthError } from '@hearth/contract';
import { constants } from 'node:fs';
import { open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
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
}

/**
 * Writes a file that appears whole or not at all: beside its place, then renamed. A symbolic link stays one and its target is replaced.
 * Makes no folders. Throws HearthError file_not_found, file_failed, disk_full or aborted; nothing is left behind then.
 */
export async function writeWhole(
  path: string,
  content: Readable,
  { mode, uid, gid, randomBytes }: WriteOptions,
): Promise<number> {
  const target = await findTarget(path);
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
    await rename(part, target);
    return bytes;
  } catch (error) {
    await unlink(part).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(cause, part);
    });
    throw fileError(error, path);
  }
}

async function findTarget(path: string): Promise<string> {
  if (path.endsWith('/') || ['.', '..'].includes(basename(path)))
    throw new HearthError('file_failed', `${path} names a folder`);
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
function fileError(error: unknown, path: string): HearthError {
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
