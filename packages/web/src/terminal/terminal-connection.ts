import {
  asHearthError,
  errorOfClose,
  HearthError,
  TERMINAL_SUBPROTOCOL,
  terminalNoticeSchema,
  terminalTicketSchema,
  type TerminalInput,
  type TerminalNotice,
  type TerminalSize,
} from '@hearth/contract';
import { call } from '../api/request.ts';
import { pauseUnlessWoken } from '../api/waiting.ts';
import { nextStep } from '../desktop/reconnect-policy.ts';
import { makeInputQueue } from './input-queue.ts';

/** waiting: before the next try, where none of our errors is the cause without one; over: no further try by itself. */
export type TerminalState =
  | { kind: 'connecting' }
  | { kind: 'connected' }
  | { kind: 'waiting'; error: HearthError | null }
  | { kind: 'over'; error: HearthError };

export interface TerminalEvents {
  onState: (state: TerminalState) => void;
  onNotice: (notice: TerminalNotice) => void;
  /** Draws; `done` once it has. */
  onBytes: (bytes: Uint8Array, done: () => void) => void;
}

export interface TerminalConnection {
  /** @returns false where it can't be taken: nothing is connected, or too much waits */
  type: (bytes: Uint8Array<ArrayBuffer>) => boolean;
  resize: (size: TerminalSize) => void;
  reconnect: () => void;
  close: () => void;
}

const CONNECT_TIMEOUT_MS = 20_000;
const WORKED_MS = 5000;
const DRAIN_MS = 20;
/** What came and isn't drawn yet: beyond it the connection ends, and the next one begins with the screen as it is then. */
const MAX_UNDRAWN_BYTES = 8 * 1024 * 1024;

/** The view of one terminal, over as many connections as it takes. */
export function openTerminal(
  { vmId, terminalId }: { vmId: string; terminalId: string },
  events: TerminalEvents,
): TerminalConnection {
  const leaving = new AbortController();
  let hurry = new AbortController();
  let running = false;
  let socket: WebSocket | null = null;
  let size: TerminalSize | null = null;
  let undrawnBytes = 0;
  let queue = makeInputQueue();
  let draining: ReturnType<typeof setTimeout> | undefined;

  const tell = (input: TerminalInput): void => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(input));
  };
  const drain = (): void => {
    clearTimeout(draining);
    if (socket?.readyState === WebSocket.OPEN && !queue.drain(socket)) draining = setTimeout(drain, DRAIN_MS);
  };

  const connectOnce = async (): Promise<{ error: HearthError | null; worked: boolean }> => {
    let path: string;
    try {
      ({ path } = await call(
        'POST',
        terminalTicketSchema,
        `/api/vms/${encodeURIComponent(vmId)}/terminals/${encodeURIComponent(terminalId)}/ticket`,
        { signal: leaving.signal },
      ));
    } catch (cause) {
      return { error: asHearthError(cause), worked: false };
    }
    const address = new URL(path, location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const own = new WebSocket(address, TERMINAL_SUBPROTOCOL);
    own.binaryType = 'arraybuffer';
    socket = own;
    const { promise, resolve } = Promise.withResolvers<HearthError | null>();
    const slow = setTimeout(() => own.close(), CONNECT_TIMEOUT_MS);
    const connected: { sinceMs: number | null } = { sinceMs: null };
    own.addEventListener('open', () => {
      clearTimeout(slow);
      connected.sinceMs = performance.now();
      queue = makeInputQueue();
      events.onState({ kind: 'connected' });
      if (size !== null) tell({ type: 'resize', ...size });
    });
    own.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) {
        undrawnBytes += data.byteLength;
        events.onBytes(new Uint8Array(data), () => (undrawnBytes -= data.byteLength));
        if (undrawnBytes > MAX_UNDRAWN_BYTES) own.close(1000);
        return;
      }
      const notice = terminalNoticeSchema.safeParse(parseJson(data));
      // Another version of Hearth may tell more than this page knows.
      if (notice.success) events.onNotice(notice.data);
    });
    own.addEventListener('close', ({ code, reason }) => {
      const known = errorOfClose(code, reason);
      resolve(known === null ? null : new HearthError(known, ''));
    });
    const error = await promise;
    clearTimeout(slow);
    clearTimeout(draining);
    socket = null;
    const { sinceMs } = connected;
    return { error, worked: sinceMs !== null && performance.now() - sinceMs > WORKED_MS };
  };

  const run = async (): Promise<void> => {
    const over = (): boolean => leaving.signal.aborted;
    let failures = 0;
    while (!over()) {
      events.onState({ kind: 'connecting' });
      const { error, worked } = await connectOnce();
      if (over()) return;
      failures = worked ? 0 : failures + 1;
      const next = nextStep({ code: error?.code ?? null, failures, fromLink: false }, Math.random());
      if (next.step === 'stop') {
        events.onState({ kind: 'over', error: error ?? new HearthError('controller_unreachable', '') });
        return;
      }
      events.onState({ kind: 'waiting', error });
      hurry = new AbortController();
      await pauseUnlessWoken(next.afterMs, AbortSignal.any([leaving.signal, hurry.signal]));
    }
  };
  const connect = (): void => {
    hurry.abort();
    if (running) return;
    running = true;
    void run().finally(() => (running = false));
  };

  connect();
  return {
    type: (bytes) => {
      if (socket?.readyState !== WebSocket.OPEN || !queue.push(bytes)) return false;
      drain();
      return true;
    },
    resize: (next) => {
      if (size?.cols === next.cols && size.rows === next.rows) return;
      size = next;
      tell({ type: 'resize', ...next });
    },
    reconnect: connect,
    close: () => {
      leaving.abort(new HearthError('aborted', 'the page was left'));
      clearTimeout(draining);
      socket?.close(1000);
    },
  };
}

function parseJson(data: unknown): unknown {
  try {
    return typeof data === 'string' ? JSON.parse(data) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
