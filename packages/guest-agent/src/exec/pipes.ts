import { close, constants, open } from 'node:fs';
import { chown, mkdir, mkdtemp, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCommand } from './run-command.ts';

/** Descriptors, not FileHandles: our end becomes a Socket's, and a FileHandle would close it once more when it is collected. */
export interface Pipe {
  read: number;
  write: number;
}

const openDescriptor = promisify(open);
export const closeDescriptor = promisify(close);

/**
 * Makes real pipes. Node gives its children sockets, and a socket can't be opened by name: `echo x > /dev/stderr` and
 * `cat /dev/stdin`, common in scripts, fail with ENXIO. Node has no pipe(2), so these are FIFOs without a name:
 * made by `mkfifo` in stock, opened at both ends, unlinked.
 */
export interface PipeStore {
  /**
   * @param end which end is ours: that one doesn't block
   * @param owner who may open it by name
   */
  take(end: 'read' | 'write', owner: { uid: number; gid: number }): Promise<Pipe>;
}

const BATCH = 24;
const LOW = 6;

export function createPipeStore(parentFolder: string): PipeStore {
  let stock: string[] = [];
  /** Names are unique in the folder, which is ours alone. */
  let made = 0;
  let folder: Promise<string> | undefined;
  let filling: Promise<void> | undefined;

  const makeFolder = async (): Promise<string> => {
    await mkdir(parentFolder, { recursive: true });
    return mkdtemp(join(parentFolder, 'pipes-'));
  };
  const fill = (): Promise<void> => {
    filling ??= (async () => {
      try {
        folder ??= makeFolder();
        const into = await folder;
        const names = Array.from({ length: BATCH }, () => join(into, String(++made)));
        await runCommand('mkfifo', ['-m', '600', '--', ...names]);
        stock.push(...names);
      } catch (error) {
        // Somebody cleaned up: the next call begins anew.
        folder = undefined;
        stock = [];
        throw error;
      } finally {
        filling = undefined;
      }
    })();
    return filling;
  };
  const next = async (): Promise<string> => {
    for (;;) {
      const path = stock.pop();
      if (path !== undefined) return path;
      await fill();
    }
  };

  return {
    take: async (end, { uid, gid }) => {
      const path = await next();
      // A failure here is met, and reported, by the call that finds the stock empty.
      if (stock.length < LOW) fill().catch(() => undefined);
      await chown(path, uid, gid);
      // The reading end first: without it a non-blocking writing end can't be opened.
      const read = await openDescriptor(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const write = await openDescriptor(
          path,
          constants.O_WRONLY | (end === 'write' ? constants.O_NONBLOCK : 0),
        );
        await unlink(path);
        return { read, write };
      } catch (error) {
        await closeDescriptor(read);
        throw error;
      }
    },
  };
}
