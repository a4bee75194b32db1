import { HearthError } from '@hearth/contract';
import type { WebSocket } from 'ws';

/** Also keeps proxies from closing a connection on which nothing moves. */
const PING_MS = 20_000;
const MAX_SILENT_PINGS = 2;

export interface Pings {
  /** The viewer gave a sign of life. */
  heard(): void;
  stop(): void;
}

/** Asks a viewer for signs of life; `onSilence` is told viewer_too_slow where there are none. */
export function startPings(socket: WebSocket, onSilence: (error: HearthError) => void): Pings {
  let silent = 0;
  const heard = (): void => {
    silent = 0;
  };
  const timer = setInterval(() => {
    // Pongs of a viewer whose input waits for the guest are not read.
    if (!socket.isPaused) silent += 1;
    if (silent > MAX_SILENT_PINGS)
      onSilence(
        new HearthError('viewer_too_slow', `no sign of life for ${(MAX_SILENT_PINGS * PING_MS) / 1000} s`),
      );
    else socket.ping();
  }, PING_MS);
  socket.on('pong', heard);
  return { heard, stop: () => clearInterval(timer) };
}
