import {
  filePathQuerySchema,
  fileWriteQuerySchema,
  HearthError,
  MAX_FOLDER_ENTRIES,
  parseWith,
  type FileWritten,
  type Folder,
  type VmId,
} from '@hearth/contract';
import { posix } from 'node:path';

/** Folders that are there before anything is written. */
const FOLDERS = ['/', '/home/hearth', '/home/hearth/Downloads', '/tmp'];

/** Files of the VMs, by `<id>:<path>`; folders are whatever their paths name. */
export interface Files {
  bytes: Map<string, Uint8Array>;
  read(id: VmId, query: unknown): Uint8Array;
  write(id: VmId, query: unknown, bytes: Uint8Array): FileWritten;
  list(id: VmId, query: unknown): Folder;
}

export function createFiles(): Files {
  const bytes = new Map<string, Uint8Array>();
  const modifiedAtMs = new Map<string, number>();
  const isFolder = (id: VmId, path: string): boolean =>
    FOLDERS.includes(path) || [...bytes.keys()].some((key) => key.startsWith(`${id}:${path}/`));

  const freePath = (id: VmId, path: string): string => {
    const { dir, name, ext } = posix.parse(path);
    for (let count = 0; ; count++) {
      const candidate = count === 0 ? path : posix.join(dir, `${name} (${count})${ext}`);
      if (!bytes.has(`${id}:${candidate}`)) return candidate;
    }
  };
  return {
    bytes,
    read: (id, query) => {
      const { path } = parseWith(filePathQuerySchema, query, 'bad_request', 'query');
      const found = bytes.get(`${id}:${path}`);
      if (found === undefined) throw new HearthError('file_not_found', path, { vmId: id });
      return found;
    },
    write: (id, query, content) => {
      const { path: wanted, conflict } = parseWith(fileWriteQuerySchema, query, 'bad_request', 'query');
      const path = conflict === 'rename' ? freePath(id, wanted) : wanted;
      bytes.set(`${id}:${path}`, content);
      modifiedAtMs.set(`${id}:${path}`, Date.now());
      return { path, bytes: content.length };
    },
    list: (id, query) => {
      const { path } = parseWith(filePathQuerySchema, query, 'bad_request', 'query');
      if (bytes.has(`${id}:${path}`))
        throw new HearthError('file_failed', `${path} is not a folder`, { vmId: id });
      if (!isFolder(id, path)) throw new HearthError('file_not_found', path, { vmId: id });
      const entries = [...bytes].flatMap(([key, content]): Folder['entries'] =>
        key.startsWith(`${id}:`) && posix.dirname(key.slice(id.length + 1)) === path
          ? [
              {
                ...{ name: posix.basename(key), kind: 'file', bytes: content.length },
                modifiedAtMs: modifiedAtMs.get(key) ?? 0,
              },
            ]
          : [],
      );
      // Of one millisecond the later one is the newer one.
      entries.reverse().sort((one, other) => other.modifiedAtMs - one.modifiedAtMs);
      return {
        path,
        entries: entries.slice(0, MAX_FOLDER_ENTRIES),
        truncated: entries.length > MAX_FOLDER_ENTRIES,
      };
    },
  };
}
