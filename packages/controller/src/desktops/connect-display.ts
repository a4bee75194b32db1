import { abortReason, asHearthError, HearthError, type Progress, type VmId } from '@hearth/contract';
import { joinServer, RfbError, RfbRefusal, type RfbDialogue, type ServerInit } from '@hearth/rfb';
import type { DirectSocket } from '../host-link/direct-socket.ts';
import type { HostLink } from '../host-link/host-link.ts';
import { runDialogue } from './dialogue-runner.ts';

/** Longest time for the whole way to ServerInit; a display that is there answers in milliseconds. */
const CONNECT_TIMEOUT_MS = 15_000;

/** An open connection to a VM's display, after the handshake. */
export interface Display {
  /** Nothing is read from it until it is diverted. */
  socket: DirectSocket;
  init: ServerInit;
  /** Bytes that came after ServerInit already. */
  rest: Buffer;
}

/** Opens a connection to the display of a VM. Throws desktop_unreachable, desktop_garbled, and what openDesktop throws. */
export async function connectDisplay(host: HostLink, id: VmId, progress: Progress): Promise<Display> {
  const connecting = progress.child(`connecting to the desktop of ${id}`, CONNECT_TIMEOUT_MS);
  const { socket, password } = await host.openDesktop(id, { signal: connecting.signal });
  try {
    const { value, rest } = await talk(socket, joinServer(password.reveal()), connecting);
    return { socket, init: value, rest };
  } catch (error) {
    socket.destroy();
    const failure = asHearthError(error);
    const silent =
      failure.code === 'desktop_ended' || (failure.code === 'deadline_exceeded' && !progress.signal.aborted);
    if (silent || failure.options.cause instanceof RfbRefusal)
      throw new HearthError('desktop_unreachable', failure.detail, { vmId: id, cause: failure });
    throw failure;
  }
}

/**
 * Runs a dialogue over a connection; `rest` is what was read beyond its end, to begin with what the last one left over.
 * Throws desktop_garbled, desktop_ended, or the reason of the progress; the connection is the caller's to end.
 */
export async function talk<T>(
  socket: DirectSocket,
  dialogue: RfbDialogue<T>,
  progress: Progress,
  rest: Buffer = Buffer.alloc(0),
): Promise<{ value: T; rest: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ value: T; rest: Buffer }>();
  const onAbort = (): void => reject(abortReason(progress.signal));
  const onEnd = (): void => reject(new HearthError('desktop_ended', 'the VNC server closed the connection'));
  const runner = runDialogue(dialogue, (bytes) => socket.write(bytes));
  const push = (chunk: Buffer): boolean => {
    try {
      const over = runner.push(chunk);
      if (over === null) return true;
      resolve(over);
    } catch (error) {
      reject(asDisplayError(error));
    }
    socket.hold();
    return false;
  };
  socket.once('end', onEnd).once('close', onEnd);
  progress.signal.addEventListener('abort', onAbort, { once: true });
  try {
    progress.throwIfAborted();
    if (socket.destroyed || socket.readableEnded) onEnd();
    // The buffer of a read is used again: what outlives it is copied.
    else if (push(rest)) socket.divert((chunk) => push(Buffer.from(chunk)));
    return await promise;
  } finally {
    socket.off('end', onEnd).off('close', onEnd);
    progress.signal.removeEventListener('abort', onAbort);
  }
}

/** What a display did wrong, as an error of ours. */
export function asDisplayError(error: unknown): HearthError {
  if (error instanceof RfbError) return new HearthError('desktop_garbled', error.message, { cause: error });
  return asHearthError(error);
}
