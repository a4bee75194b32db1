import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HearthError, withAbort, type Progress } from '@hearth/contract';
import { peerUid } from '../../peer/peer-credentials.ts';
import { userIds } from '../../peer/users.ts';
import type { SavedState } from '../vmm.ts';

const CHUNK_BYTES = 1024 * 1024;

interface Sender {
  socketPath: string;
  /** The user that QEMU became; null: it stayed what we are. */
  user: string | null;
  pid: number;
}

export interface Receiving {
  /** Once all is on the disk. */
  saved: Promise<SavedState>;
  /** Rejects as `saved` does, and resolves never: to be raced against. */
  failed: Promise<never>;
  stop(): void;
}

/** Listens for the state that one QEMU is about to send, and writes it to a new file. `saved` throws disk_full, snapshot_failed. */
export async function receiveState(
  { socketPath, user, pid }: Sender,
  statePath: string,
  progress: Progress,
): Promise<Receiving> {
  // Entered by QEMU's user, listed by nobody.
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o711 });
  await rm(socketPath, { force: true });
  const connected = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    if (peerUid(socket).pid === pid) connected.resolve(socket);
    else socket.destroy();
  });
  server.on('error', (error) => connected.reject(error));
  const listening = Promise.withResolvers<undefined>();
  server.listen(socketPath, () => listening.resolve(undefined));
  await withAbort(Promise.race([listening.promise, connected.promise]), progress.signal);
  if (user !== null) await chown(socketPath, (await userIds(user)).uid, 0);
  await chmod(socketPath, 0o600);

  const stopped = new AbortController();
  const write = async (): Promise<SavedState> => {
    const signal = AbortSignal.any([stopped.signal, progress.signal]);
    try {
      const socket = await withAbort(connected.promise, signal);
      const hash = createHash('sha256');
      let bytes = 0;
      const measure = new Transform({
        highWaterMark: CHUNK_BYTES,
        transform: (chunk: Buffer, _encoding, done) => {
          bytes += chunk.length;
          hash.update(chunk);
          done(null, chunk);
        },
      });
      const file = createWriteStream(statePath, {
        ...{ flags: 'wx', mode: 0o600, flush: true, highWaterMark: CHUNK_BYTES },
      });
      await pipeline(socket, measure, file, { signal });
      return { bytes, sha256: hash.digest('hex') };
    } catch (error) {
      if (progress.signal.aborted) progress.throwIfAborted();
      const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
      throw new HearthError(
        full ? 'disk_full' : 'snapshot_failed',
        `${statePath} could not be written: ${String(error)}`,
        { cause: error },
      );
    } finally {
      server.close();
      await rm(socketPath, { force: true });
    }
  };
  const saved = write();
  const { promise: failed, reject } = Promise.withResolvers<never>();
  saved.catch(reject);
  // Whoever stopped it doesn't ask how it ended.
  failed.catch(() => undefined);
  return { saved, failed, stop: () => stopped.abort() };
}
