import { abortReason, errorOfClose, errorTable, HearthError } from '@hearth/contract';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

/** What one side has not taken yet; beyond it nothing more is read from the other. */
const MAX_QUEUED_BYTES = 256 * 1024;
const CONNECT_TIMEOUT_MS = 30_000;

/**
 * Passes bytes between a VNC viewer and the WebSocket of a desktop until either ends. Throws the error that closed the
 * WebSocket; a viewer that goes away, and an orderly end, are none.
 */
export async function relayDesktop(viewer: Socket, desktop: WebSocket, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const onAbort = (): void => reject(abortReason(signal));
  const timer = setTimeout(
    () => reject(new HearthError('controller_unreachable', 'the desktop was not opened in time')),
    CONNECT_TIMEOUT_MS,
  );
  signal.addEventListener('abort', onAbort, { once: true });
  viewer.on('error', () => resolve(undefined)).once('close', () => resolve(undefined));
  desktop.once('open', () => {
    clearTimeout(timer);
    viewer.on('data', (chunk: Buffer) => {
      desktop.send(chunk, () => {
        if (desktop.bufferedAmount <= MAX_QUEUED_BYTES) viewer.resume();
      });
      if (desktop.bufferedAmount > MAX_QUEUED_BYTES) viewer.pause();
    });
    viewer.resume();
  });
  desktop.on('message', (data) => {
    viewer.write(data as Buffer);
    if (viewer.writableLength <= MAX_QUEUED_BYTES || desktop.isPaused) return;
    desktop.pause();
    viewer.once('drain', () => desktop.resume());
  });
  desktop.on('error', (cause) => {
    reject(new HearthError('controller_unreachable', cause.message, { cause }));
  });
  desktop.once('close', (closeCode, reason) => {
    const code = errorOfClose(closeCode, String(reason));
    if (code !== null) reject(new HearthError(code, errorTable[code].hint));
    else if (closeCode === 1000) resolve(undefined);
    else reject(new HearthError('controller_unreachable', `the connection ended with code ${closeCode}`));
  });
  try {
    if (signal.aborted) onAbort();
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    if (!viewer.destroyed) viewer.destroySoon();
    if (desktop.readyState === desktop.CONNECTING) desktop.terminate();
    else desktop.close();
  }
}
