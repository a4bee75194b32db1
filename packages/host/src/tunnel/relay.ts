import type { Socket } from 'node:net';

/** Takes a chunk, which is overwritten by the next read; false: no more until resume(). */
export type TakeBytes = (chunk: Buffer) => boolean;

/** A connection into a VM; nothing is read of it yet. */
export interface GuestConnection {
  /** Its bytes go to `read`; everything else is as for any socket. */
  socket: Socket;
  /** Begins to read. */
  read: (take: TakeBytes) => void;
}

/** How long a side has to take what is left of the other, which ended. */
const FLUSH_TIMEOUT_MS = 5000;

/**
 * Passes bytes both ways until either side or the signal ends it; resolves when both are closed. What a side does not take
 * stops the reading from the other: beside the sockets' own buffers, one read is held and no more.
 */
export async function relay(
  caller: Socket,
  { socket: guest, read }: GuestConnection,
  signal: AbortSignal,
): Promise<void> {
  const closed = Promise.all([closing(caller), closing(guest)]);
  const destroy = (): void => {
    caller.destroy();
    guest.destroy();
  };
  /** One side ended: what it sent still goes to the other, unless that does not take it. */
  const finish = (other: Socket): void => {
    const timer = setTimeout(destroy, FLUSH_TIMEOUT_MS);
    other.once('close', () => {
      clearTimeout(timer);
      destroy();
    });
    other.destroySoon();
  };
  let sent = 0;
  let taken = 0;
  let waiting = false;
  const onTaken = (): void => {
    taken += 1;
    if (!waiting || taken < sent) return;
    waiting = false;
    guest.resume();
  };

  caller.on('data', (chunk: Buffer) => {
    if (guest.write(chunk)) return;
    caller.pause();
    guest.once('drain', () => caller.resume());
  });
  caller.once('end', () => finish(guest));
  guest.once('end', () => finish(caller));
  caller.once('close', destroy);
  guest.once('close', () => {
    if (!guest.readableEnded) destroy();
  });
  // What broke a connection closes it, and that is what ends the relay.
  caller.on('error', destroy);
  guest.on('error', destroy);
  signal.addEventListener('abort', destroy, { once: true });
  if (signal.aborted) destroy();
  else
    read((chunk) => {
      sent += 1;
      caller.write(chunk, onTaken);
      // Where the kernel took all of it, the buffer is free for the next read.
      waiting = caller.writableLength > 0;
      return !waiting;
    });
  await closed;
  signal.removeEventListener('abort', destroy);
}

async function closing(socket: Socket): Promise<void> {
  if (socket.closed) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  socket.once('close', () => resolve(undefined));
  await promise;
}
