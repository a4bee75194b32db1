import { abortReason, HearthError, type ErrorCode, type Geometry } from '@hearth/contract';
import {
  createServerGuard,
  createViewerFilter,
  RfbError,
  welcomeViewer,
  type EncodingPolicy,
  type ServerGuard,
  type ViewerFilter,
} from '@hearth/rfb';
import type { WebSocket } from 'ws';
import { asDisplayError, type Display } from './connect-display.ts';
import { runDialogue } from './dialogue-runner.ts';
import { closeViewer } from '../viewers/close-viewer.ts';
import { startPings } from '../viewers/pings.ts';

export interface BridgeLimits {
  /** Longest text of a clipboard, either way. */
  clipboardBytes: number;
  /** A viewer must take each frame (at most 256 KiB, one read) within this time. */
  slowViewerMs: number;
}

export interface BridgeOptions {
  /** Open already; the bridge owns it from now on. */
  socket: WebSocket;
  /** Owned by the bridge from now on. */
  display: Display;
  /** Asked at each message that would change something. */
  mayControl: () => boolean;
  policy: EncodingPolicy;
  limits: BridgeLimits;
  /** Something that the viewer sent was not passed on; the connection goes on. */
  onNotice: (code: ErrorCode) => void;
  onGeometry: (geometry: Geometry) => void;
  /** The first framebuffer update is on its way to the viewer. */
  onFirstFrame: () => void;
  /** Its HearthError reason closes both sides. */
  signal: AbortSignal;
}

export interface Bridge {
  /** Both sides are closed; null where the viewer ended it in order. Never rejects. */
  ended: Promise<HearthError | null>;
  /** Lets go of whatever the viewer holds down; for the moment it loses the control. */
  releaseInput: () => void;
}

/** Longest message of a viewer; noVNC sends at most 10 KiB at once. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** The handshake is a few round trips. */
const WELCOME_TIMEOUT_MS = 15_000;
/** What the guest has not taken yet; beyond it nothing more is read from the viewer. */
const MAX_QUEUED_INPUT_BYTES = 64 * 1024;
const FRAME = { binary: true, fin: true, compress: false } as const;

/**
 * Relays a viewer's WebSocket and a VM's display to each other until either ends. Nothing is queued towards the viewer:
 * what one read gave is one frame, and while that is not taken, nothing is read from the guest. So what comes meanwhile
 * is one larger frame, and a viewer costs one buffer however slow it is.
 */
export function bridgeViewer(options: BridgeOptions): Bridge {
  const { socket, display, limits, signal } = options;
  const { socket: guest, init } = display;
  const { promise: ended, resolve } = Promise.withResolvers<HearthError | null>();
  let over = false;
  /** Frames given to the WebSocket, and those of them that left this process. */
  let sent = 0;
  let taken = 0;
  let slow: NodeJS.Timeout | undefined;
  let viewer: ViewerFilter | null = null;
  let framed = false;

  const end = (error: HearthError | null): void => {
    if (over) return;
    over = true;
    clearTimeout(slow);
    clearTimeout(welcomeTimer);
    pings.stop();
    signal.removeEventListener('abort', onAbort);
    guest.destroy();
    void closeViewer(socket, error).then(() => resolve(error));
  };
  /** Ends the bridge where a part of it throws; `explain` says whose fault that is. */
  const guarded = (work: () => void, explain: (error: unknown) => HearthError): boolean => {
    try {
      work();
    } catch (error) {
      end(explain(error));
    }
    return !over;
  };
  const onAbort = (): void => end(abortReason(signal));

  const frameTaken = (): void => {
    taken += 1;
    if (slow === undefined || taken < sent) return;
    clearTimeout(slow);
    slow = undefined;
    pings.heard();
    guest.resume();
  };
  const passToViewer = (guard: ServerGuard) => (chunk: Buffer) => {
    if (!guarded(() => guard.push(chunk), asDisplayError)) return false;
    sent += 1;
    socket.send(chunk, FRAME, frameTaken);
    // The kernel took all of it: the buffer is free for the next read.
    if (socket.bufferedAmount === 0) return true;
    slow = setTimeout(() => {
      const detail = `one frame was not taken within ${limits.slowViewerMs / 1000} s`;
      end(new HearthError('viewer_too_slow', detail));
    }, limits.slowViewerMs);
    return false;
  };

  const passToGuest = (filter: ViewerFilter, bytes: Buffer): void => {
    const alive = guarded(() => {
      for (const part of filter.push(bytes)) guest.write(part);
    }, asViewerError);
    if (!alive || socket.isPaused || guest.writableLength <= MAX_QUEUED_INPUT_BYTES) return;
    socket.pause();
    guest.once('drain', () => socket.resume());
  };

  const start = (rest: Buffer): void => {
    clearTimeout(welcomeTimer);
    const filter = createViewerFilter({
      pixelFormat: init.pixelFormat,
      mayControl: options.mayControl,
      policy: options.policy,
      clipboardLimitBytes: limits.clipboardBytes,
      onDropped: options.onNotice,
    });
    const guard = createServerGuard({
      width: init.width,
      height: init.height,
      pixelFormat: () => filter.pixelFormat(),
      clipboardLimitBytes: limits.clipboardBytes,
      onGeometry: (width, height) => options.onGeometry({ width, height }),
      onPixels: () => {
        if (!framed) options.onFirstFrame();
        framed = true;
      },
    });
    viewer = filter;
    const pass = passToViewer(guard);
    passToGuest(filter, rest);
    if (over) return;
    guest.hold(display.rest);
    guest.divert(pass);
  };

  const welcome = runDialogue(welcomeViewer(init), (bytes) => socket.send(bytes, FRAME));
  const onMessage = (data: Buffer, isBinary: boolean): void => {
    if (over) return;
    pings.heard();
    if (!isBinary || data.length > MAX_MESSAGE_BYTES) {
      const what = isBinary ? `a message of ${data.length} bytes` : 'text';
      end(new HearthError('viewer_protocol', `the viewer sent ${what}`));
    } else if (viewer !== null) {
      passToGuest(viewer, data);
    } else {
      guarded(() => {
        const done = welcome.push(data);
        if (done !== null) start(done.rest);
      }, asViewerError);
    }
  };

  const welcomeTimer = setTimeout(
    () => end(new HearthError('viewer_protocol', 'the viewer did not go through the handshake')),
    WELCOME_TIMEOUT_MS,
  );
  const pings = startPings(socket, end);

  socket.on('message', (data, isBinary) => onMessage(data as Buffer, isBinary));
  socket.on('error', (error) => end(new HearthError('viewer_protocol', error.message, { cause: error })));
  socket.on('close', () => end(null));
  guest.on('error', (cause) => {
    end(new HearthError('host_unreachable', `the way to the desktop broke: ${cause.message}`, { cause }));
  });
  guest.on('end', () => end(new HearthError('desktop_ended', 'the VNC server closed the connection')));
  guest.on('close', () => end(new HearthError('desktop_ended', 'the VNC server closed the connection')));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  else if (socket.readyState !== socket.OPEN) end(null);
  else if (guest.destroyed || guest.readableEnded)
    end(new HearthError('desktop_ended', 'the VNC server closed the connection'));
  else guarded(() => void welcome.push(Buffer.alloc(0)), asViewerError);

  return {
    ended,
    releaseInput: () => {
      if (viewer !== null && !over) guest.write(viewer.release());
    },
  };
}

function asViewerError(error: unknown): HearthError {
  if (error instanceof HearthError) return error;
  if (error instanceof RfbError) return new HearthError('viewer_protocol', error.message, { cause: error });
  return new HearthError('internal', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
