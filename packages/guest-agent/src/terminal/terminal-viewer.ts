import {
  asHearthError,
  createTerminalFrameReader,
  encodeTerminalBytes,
  encodeTerminalJson,
  HearthError,
  parseWith,
  terminalInputSchema,
  terminalLimits,
  type TerminalNotice,
  type TerminalSize,
} from '@hearth/contract';
import type { Duplex } from 'node:stream';

export interface ViewerListener {
  onInput: (bytes: Uint8Array) => void;
  onResize: (size: TerminalSize) => void;
  /** It can take the screen anew. */
  onReady: () => void;
  onGone: (reason: HearthError | null) => void;
}

/** One connection to a terminal. */
export interface TerminalViewer {
  /** Draws everything anew. */
  show(size: TerminalSize, screen: string): void;
  /** What follows on the screen. What comes before `show` waits for it; a viewer that lags is not sent it. */
  follow(bytes: Uint8Array): void;
  /** Nothing before the first `show`, which is told how everything stands. */
  notice(notice: TerminalNotice): void;
  /** It sees what everybody sees. */
  isLive(): boolean;
  /** Nothing more comes; what was sent still arrives. */
  end(): void;
  destroy(): void;
}

/** Speaks the framed protocol of contract/terminal.ts; a viewer that lags costs no more than the limit. */
export function createTerminalViewer(
  stream: Duplex,
  { onInput, onResize, onReady, onGone }: ViewerListener,
  lagBytes: number = terminalLimits.lagBytes,
): TerminalViewer {
  const read = createTerminalFrameReader();
  /** null: it lags, and is shown everything anew once it reads again. */
  let waiting: Uint8Array[] | null = [];
  let live = false;
  let shown = false;
  let fault: HearthError | null = null;

  const send = (bytes: Uint8Array): void => {
    for (const frame of encodeTerminalBytes(bytes)) stream.write(frame);
    if (stream.writableLength <= lagBytes) return;
    live = false;
    waiting = null;
  };
  stream.on('drain', () => {
    if (waiting !== null) return;
    waiting = [];
    onReady();
  });
  stream.on('data', (chunk: Buffer) => {
    try {
      for (const frame of read(chunk)) {
        if (frame.type === 'bytes') onInput(frame.bytes);
        else onResize(parseWith(terminalInputSchema, parseJson(frame.text), 'bad_request', 'input'));
      }
    } catch (error) {
      fault = asHearthError(error);
      stream.destroy();
    }
  });
  stream.on('error', () => stream.destroy());
  stream.on('end', () => stream.end());
  stream.once('close', () => onGone(fault));

  const follow = (bytes: Uint8Array): void => {
    if (bytes.length === 0) return;
    if (live) send(bytes);
    else waiting?.push(bytes);
  };

  return {
    show: (size, screen) => {
      stream.write(encodeTerminalJson({ type: 'reset', cols: size.cols, rows: size.rows }));
      const missed = waiting ?? [];
      waiting = [];
      live = true;
      shown = true;
      // However long the screen is, it is shown whole.
      for (const frame of encodeTerminalBytes(Buffer.from(screen))) stream.write(frame);
      for (const bytes of missed) follow(bytes);
    },
    follow,
    notice: (notice) => {
      if (shown) stream.write(encodeTerminalJson(notice));
    },
    isLive: () => live,
    end: () => stream.end(),
    destroy: () => stream.destroy(),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HearthError('bad_request', 'a message of a viewer is not JSON', { cause });
  }
}
