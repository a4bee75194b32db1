import { closeCodeOf, type HearthError } from '@hearth/contract';
import type { WebSocket } from 'ws';

/** A viewer that doesn't answer the close is cut off. */
const CLOSE_TIMEOUT_MS = 2000;

/** Closes a viewer's WebSocket, with the error's code where there is one; resolves once it is closed. Never rejects. */
export async function closeViewer(socket: WebSocket, error: HearthError | null): Promise<void> {
  if (socket.readyState === socket.CLOSED) return;
  const { promise: closed, resolve } = Promise.withResolvers<undefined>();
  const force = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  socket.once('close', () => {
    clearTimeout(force);
    resolve(undefined);
  });
  // Its answer to the close frame may be behind input that nobody reads any more.
  socket.resume();
  if (error === null) socket.close(1000);
  else socket.close(closeCodeOf(error.code), error.code);
  await closed;
}
