import { HearthError, MAX_FOLDER_ENTRIES, type Folder } from '@hearth/contract';
import type { Stats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from './files.ts';

/** A folder with more is not read to its end: neither memory nor time of the guest are at its content's mercy. */
const MAX_READ_ENTRIES = 100_000;
/** Looked at in one go. */
const BATCH = 64;

/** What is in a folder, newest first; links are not followed. Throws HearthError file_not_found or file_failed. */
export async function listFolder(path: string): Promise<Folder> {
  const names: string[] = [];
  let complete = true;
  try {
    for await (const { name } of await opendir(path)) {
      complete = names.length < MAX_READ_ENTRIES;
      if (!complete) break;
      names.push(name);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR')
      throw new HearthError('file_failed', `${path} is not a folder`, { cause: error });
    throw fileError(error, path);
  }
  const entries: Folder['entries'] = [];
  for (let from = 0; from < names.length; from += BATCH) {
    const batch = names.slice(from, from + BATCH).map((name) => describeEntry(path, name));
    entries.push(...(await Promise.all(batch)).filter((entry) => entry !== null));
  }
  entries.sort((one, other) => other.modifiedAtMs - one.modifiedAtMs || (one.name < other.name ? -1 : 1));
  return {
    path,
    entries: entries.slice(0, MAX_FOLDER_ENTRIES),
    truncated: !complete || entries.length > MAX_FOLDER_ENTRIES,
  };
}

/** null where it was removed meanwhile. */
async function describeEntry(folder: string, name: string): Promise<Folder['entries'][number] | null> {
  try {
    const found = await lstat(join(folder, name));
    // The clock of a guest may have been before 1970.
    return { name, kind: kindOf(found), bytes: found.size, modifiedAtMs: Math.max(0, found.mtimeMs) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fileError(error, join(folder, name));
  }
}

function kindOf(found: Stats): Folder['entries'][number]['kind'] {
  if (found.isFile()) return 'file';
  return found.isDirectory() ? 'folder' : 'other';
}
