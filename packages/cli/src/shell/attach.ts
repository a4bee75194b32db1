import {
  abortReason,
  errorOfClose,
  errorTable,
  HearthError,
  parseWith,
  TERMINAL_SUBPROTOCOL,
  terminalNoticeSchema,
} from '@hearth/contract';
import type { ReadStream, WriteStream } from 'node:tty';
import { WebSocket } from 'ws';

/** How a person left a terminal. */
export type Leaving =
  { type: 'exited'; exitCode: number } | { type: 'detached' } | { type: 'lost'; error: HearthError };

/** Ctrl-], as telnet has it. */
const DETACH = 0x1d;
/** Screen and cursor home; the scroll-back of the person's own terminal stays. */
const CLEAR = '\x1b[2J\x1b[H';
/** What a program may have left behind: other screen, hidden cursor, mouse, pasting, colours. */
const RESTORE = '\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[0m';
const MAX_QUEUED_BYTES = 256 * 1024;

export interface AttachOptions {
  url: URL;
  input: ReadStream;
  output: WriteStream;
  /** Draw over what the person's terminal shows. */
  clear: boolean;
  signal: AbortSignal;
}

/** Joins the person's terminal with one in a VM, until either ends. The person's is as before then. */
export async function attach({ url, input, output, clear, signal }: AttachOptions): Promise<Leaving> {
  const socket = new WebSocket(url, TERMINAL_SUBPROTOCOL, { perMessageDeflate: false });
  const left = Promise.withResolvers<Leaving>();
  let clears = clear;
  let exitCode: number | null = null;

  const sendSize = (): void => {
    const { columns: cols, rows } = output;
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ type: 'resize', cols, rows }));
  };
  const onInput = (bytes: Buffer): void => {
    const at = bytes.indexOf(DETACH);
    const typed = at === -1 ? bytes : bytes.subarray(0, at);
    if (typed.length > 0 && socket.readyState === socket.OPEN) socket.send(typed);
    if (at !== -1) left.resolve({ type: 'detached' });
    if (socket.bufferedAmount > MAX_QUEUED_BYTES) input.pause();
  };
  const onNotice = (text: string): void => {
    const notice = parseWith(terminalNoticeSchema, JSON.parse(text), 'internal', 'message of the terminal');
    if (notice.type === 'exit') exitCode = notice.exitCode;
    if (notice.type === 'reset') {
      if (clears) output.write(CLEAR);
      // The first screen of a new terminal needs none; whatever comes later is drawn anew.
      clears = true;
    }
  };
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) onNotice(data.toString());
    else if (!output.write(data)) {
      socket.pause();
      output.once('drain', () => socket.resume());
    }
  });
  socket.on('open', sendSize);
  socket.on('error', (cause) => {
    left.resolve({
      type: 'lost',
      error: new HearthError('controller_unreachable', cause.message, { cause }),
    });
  });
  socket.on('close', (code, reason) => {
    if (exitCode !== null) left.resolve({ type: 'exited', exitCode });
    else left.resolve({ type: 'lost', error: closeError(code, reason.toString()) });
  });
  const drained = setInterval(() => {
    if (input.isPaused() && socket.bufferedAmount <= MAX_QUEUED_BYTES) input.resume();
  }, 50);
  const onAbort = (): void => left.reject(abortReason(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  output.on('resize', sendSize);
  input.setRawMode(true);
  input.on('data', onInput);
  input.resume();
  try {
    if (signal.aborted) onAbort();
    return await left.promise;
  } finally {
    clearInterval(drained);
    signal.removeEventListener('abort', onAbort);
    output.off('resize', sendSize);
    input.off('data', onInput);
    input.pause();
    input.setRawMode(false);
    output.write(RESTORE);
    socket.close();
  }
}

function closeError(code: number, reason: string): HearthError {
  const known = errorOfClose(code, reason);
  if (known === null) return new HearthError('controller_unreachable', `the connection ended (${code})`);
  return new HearthError(known, errorTable[known].title.toLowerCase());
}
