import {
  abortReason,
  asHearthError,
  createTerminalFrameReader,
  encodeTerminalBytes,
  encodeTerminalJson,
  HearthError,
  parseWith,
  terminalInputSchema,
  terminalNoticeSchema,
} from '@hearth/contract';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { closeViewer } from '../viewers/close-viewer.ts';
import { startPings } from '../viewers/pings.ts';

export interface TerminalBridgeOptions {
  /** Open already, and paused or not read yet; the bridge owns it from now on. */
  socket: WebSocket;
  /** The framed stream of the terminal; owned by the bridge from now on. */
  guest: Duplex;
  /** Something was typed or printed. */
  onUse: () => void;
  /** What runs in it has ended. */
  onExit: () => void;
  /** Why the way to the terminal ended before what runs in it. */
  explainEnd: () => Promise<HearthError>;
  /** Its HearthError reason closes both sides. */
  signal: AbortSignal;
}

/** Given to the WebSocket and not taken by the viewer: beyond it nothing more is read, and the agent skips what comes meanwhile. */
const MAX_QUEUED_BYTES = 256 * 1024;
/** What the guest has not taken yet; beyond it nothing more is read from the viewer. */
const MAX_QUEUED_INPUT_BYTES = 64 * 1024;

/**
 * Passes messages between a viewer's WebSocket and a terminal until either ends. Resolves when both are closed: null where the viewer
 * or the terminal ended in order. Never rejects.
 */
export async function bridgeTerminal(options: TerminalBridgeOptions): Promise<HearthError | null> {
  const { socket, guest, onUse, onExit, explainEnd, signal } = options;
  const { promise: ended, resolve } = Promise.withResolvers<HearthError | null>();
  const read = createTerminalFrameReader();
  let over = false;
  let exited = false;

  const end = (error: HearthError | null): void => {
    if (over) return;
    over = true;
    pings.stop();
    signal.removeEventListener('abort', onAbort);
    guest.destroy();
    void closeViewer(socket, error).then(() => resolve(error));
  };
  const onAbort = (): void => end(abortReason(signal));
  const taken = (): void => {
    pings.heard();
    if (!over && guest.isPaused() && socket.bufferedAmount <= MAX_QUEUED_BYTES) guest.resume();
  };

  guest.on('data', (chunk: Buffer) => {
    if (over) return;
    try {
      for (const frame of read(chunk)) {
        if (frame.type === 'bytes') {
          onUse();
          socket.send(frame.bytes, { binary: true, compress: false }, taken);
        } else {
          const notice = parseWith(terminalNoticeSchema, JSON.parse(frame.text), 'internal', 'notice');
          exited ||= notice.type === 'exit';
          if (notice.type === 'exit') onExit();
          socket.send(JSON.stringify(notice), { binary: false, compress: false }, taken);
        }
      }
    } catch (error) {
      end(new HearthError('internal', `the terminal sent what is none: ${asHearthError(error).detail}`));
      return;
    }
    if (socket.bufferedAmount > MAX_QUEUED_BYTES) guest.pause();
  });
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (over) return;
    pings.heard();
    onUse();
    try {
      const frames = isBinary ? encodeTerminalBytes(data) : [encodeTerminalJson(parseInput(data))];
      for (const frame of frames) guest.write(frame);
    } catch (error) {
      end(asHearthError(error));
      return;
    }
    if (socket.isPaused || guest.writableLength <= MAX_QUEUED_INPUT_BYTES) return;
    socket.pause();
    guest.once('drain', () => socket.resume());
  });
  const pings = startPings(socket, end);
  socket.on('error', (error) => end(new HearthError('bad_request', error.message, { cause: error })));
  socket.on('close', () => end(null));
  const onGuestEnd = (): void => {
    if (exited) end(null);
    else if (!over) void explainEnd().catch(asHearthError).then(end);
  };
  guest.on('error', (cause: Error) => {
    end(new HearthError('host_unreachable', `the way to the terminal broke: ${cause.message}`, { cause }));
  });
  guest.once('close', onGuestEnd);
  guest.once('end', () => guest.destroy());
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  else if (socket.readyState !== socket.OPEN) end(null);
  else if (guest.destroyed) onGuestEnd();
  else {
    socket.resume();
    guest.resume();
  }
  return ended;
}

function parseInput(data: Buffer) {
  let value: unknown;
  try {
    value = JSON.parse(data.toString());
  } catch (cause) {
    throw new HearthError('bad_request', 'a text message of the viewer is not JSON', { cause });
  }
  return parseWith(terminalInputSchema, value, 'bad_request', 'message');
}
