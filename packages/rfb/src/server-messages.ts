import { RfbError, type RfbDialogue } from './dialogue.ts';
import { encodings, pseudoEncodings } from './encodings.ts';
import { checkScreenSize } from './limits.ts';

/** Types of the messages that a server sends (RFC 6143, 7.6, and rfbproto). */
export const serverMessages = {
  update: 0,
  setColourMap: 1,
  bell: 2,
  cutText: 3,
  endOfContinuousUpdates: 150,
  fence: 248,
} as const;

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** An ExtendedDesktopSize rectangle: the screen has this size, or (`status` not 0) a wish of ours was refused. */
export interface Resize {
  width: number;
  height: number;
  /** Why it came: 0 the server, 1 this viewer, 2 another viewer. */
  reason: number;
  status: number;
  /** The server's number for the first screen; 0 where there is none. */
  screen: number;
}

export interface MessageReader {
  screen: { width: number; height: number };
  /** Some lines of pixels, 4 bytes each: from (x, y) `width` to the right, as many rows as the bytes make. */
  onPixels: (x: number, y: number, width: number, bytes: Buffer) => void;
  onResize?: (resize: Resize) => void;
}

const BYTES_PER_PIXEL = 4;
const MAX_READ_BYTES = 64 * 1024;
/** A cut text is of no interest here, so no limit but that of reading it through. */
const MAX_CUT_TEXT_BYTES = 16 * 1024 * 1024;

/**
 * Reads one message of a server that was asked for Raw (and perhaps ExtendedDesktopSize) in a format of 32 bits. Needs little
 * memory, however large the rectangles are. Throws RfbError.
 */
export function* readServerMessage(reader: MessageReader): RfbDialogue<void> {
  const type = (yield { read: 1 }).readUInt8();
  switch (type) {
    case serverMessages.update: {
      const rectangles = (yield { read: 3 }).readUInt16BE(1);
      for (let index = 0; index < rectangles; index++) yield* readRectangle(reader);
      return;
    }
    case serverMessages.bell:
      return;
    case serverMessages.cutText: {
      const bytes = (yield { read: 7 }).readUInt32BE(3);
      if (bytes > MAX_CUT_TEXT_BYTES) throw new RfbError(`a clipboard of ${bytes} bytes`);
      for (let left = bytes; left > 0; left -= MAX_READ_BYTES) yield { read: Math.min(left, MAX_READ_BYTES) };
      return;
    }
    default:
      throw new RfbError(`message of type ${type} is not expected`);
  }
}

function* readRectangle({ screen, onPixels, onResize }: MessageReader): RfbDialogue<void> {
  const head = yield { read: 12 };
  const x = head.readUInt16BE(0);
  const y = head.readUInt16BE(2);
  const width = head.readUInt16BE(4);
  const height = head.readUInt16BE(6);
  const encoding = head.readInt32BE(8);
  if (encoding === pseudoEncodings.extendedDesktopSize && onResize !== undefined) {
    checkScreenSize(width, height);
    const screens = (yield { read: 4 }).readUInt8(0);
    const layout = screens === 0 ? Buffer.alloc(4) : yield { read: screens * 16 };
    onResize({ width, height, reason: x, status: y, screen: layout.readUInt32BE(0) });
    return;
  }
  if (encoding !== encodings.raw) throw new RfbError(`encoding ${encoding} was not asked for`);
  if (x + width > screen.width || y + height > screen.height)
    throw new RfbError('a rectangle reaches beyond the screen');
  if (width === 0) return;
  const linesPerRead = Math.max(1, Math.floor(MAX_READ_BYTES / (width * BYTES_PER_PIXEL)));
  for (let line = 0; line < height; line += linesPerRead) {
    const lines = Math.min(linesPerRead, height - line);
    onPixels(x, y + line, width, yield { read: lines * width * BYTES_PER_PIXEL });
  }
}
