import { RfbError } from './dialogue.ts';
import { encodings, pseudoEncodings } from './encodings.ts';
import {
  claimedTextBytes,
  FLAGS_BYTES,
  isProvide,
  isTextOnly,
  PEEKED_BYTES,
  wirePayloadBytes,
  wireTextBytes,
} from './extended-clipboard.ts';
import { checkScreenSize, MAX_FENCE_BYTES, MAX_TEXT_BYTES } from './limits.ts';
import { tightPixelBytes, type PixelFormat } from './pixel-format.ts';
import { serverMessages } from './server-messages.ts';

export interface ServerGuardOptions {
  width: number;
  height: number;
  /** The format in force, see ViewerFilter.pixelFormat. */
  pixelFormat: () => PixelFormat;
  clipboardLimitBytes: number;
  /** The screen has another size now. */
  onGeometry: (width: number, height: number) => void;
  /** A rectangle of pixels begins, as opposed to what an update says besides. */
  onPixels: () => void;
}

/**
 * Follows what a server sends after the handshake without changing it: knows where each message and rectangle begins and
 * ends, in O(1) for the pixels themselves. Throws RfbError at the first byte that can't be RFB: the guest is not trusted.
 */
export interface ServerGuard {
  push(chunk: Uint8Array): void;
}

/** A page holds a whole cursor in memory. */
const MAX_CURSOR_SIDE = 1024;
/** In Tight, shorter data is not compressed and has no length (rfbproto). */
const TIGHT_MIN_COMPRESSED_BYTES = 12;
/** Compressed pixels may take more than the 4 bytes that a pixel has at most: what can't be compressed grows a little. */
const MAX_COMPRESSED_PIXEL_BYTES = 4.5;
/** And for the tables and headers of a small picture. */
const COMPRESSED_SLACK_BYTES = 4096;
const SCREEN_BYTES = 16;

/** Where in the stream the next byte is; HEAD_BYTES says how many bytes are needed to go on from there. */
const MESSAGE = 0;
const UPDATE = 1;
const RECTANGLE = 2;
const COPY = 3;
const COMPRESSED_LENGTH = 4;
const TIGHT_CONTROL = 5;
const TIGHT_FILTER = 6;
const TIGHT_PALETTE = 7;
const COMPACT_LENGTH_1 = 8;
const COMPACT_LENGTH_2 = 9;
const COMPACT_LENGTH_3 = 10;
const DESKTOP_NAME = 11;
const SCREENS = 12;
const VMWARE_CURSOR = 13;
const FENCE = 14;
const CUT_TEXT = 15;
const CUT_TEXT_FLAGS = 16;
/** Its length is that of the peeked bytes. */
const CUT_TEXT_START = 17;
const HEAD_BYTES = [1, 3, 12, 4, 4, 1, 1, 1, 1, 1, 1, 4, 4, 2, 8, 7, FLAGS_BYTES, 0];

const TIGHT_FILL = 8;
const TIGHT_JPEG = 9;
const TIGHT_EXPLICIT_FILTER = 4;
const FILTER_COPY = 0;
const FILTER_PALETTE = 1;
const FILTER_GRADIENT = 2;

export function createServerGuard({
  width: firstWidth,
  height: firstHeight,
  pixelFormat,
  clipboardLimitBytes,
  onGeometry,
  onPixels,
}: ServerGuardOptions): ServerGuard {
  let screenWidth = firstWidth;
  let screenHeight = firstHeight;
  let state = MESSAGE;
  let headBytes = 1;
  /** Payload to pass before the next head. */
  let skipBytes = 0;
  /** A head that is cut by the end of a chunk waits here for its rest. */
  const scratch = new Uint8Array(PEEKED_BYTES);
  let scratchBytes = 0;
  let broken: RfbError | undefined;

  let rectanglesLeft = 0;
  let width = 0;
  let height = 0;
  let compactLength = 0;
  let payloadBytes = 0;

  const expect = (next: number, bytes = HEAD_BYTES[next] ?? 0): void => {
    state = next;
    headBytes = bytes;
  };
  const endMessage = (payload: number): void => {
    skipBytes = payload;
    expect(MESSAGE);
  };
  const endRectangle = (payload: number): void => {
    skipBytes = payload;
    rectanglesLeft--;
    expect(rectanglesLeft > 0 ? RECTANGLE : MESSAGE);
  };
  const endCompressed = (bytes: number): void => {
    const limit = width * height * MAX_COMPRESSED_PIXEL_BYTES + COMPRESSED_SLACK_BYTES;
    if (bytes > limit) throw new RfbError(`${bytes} compressed bytes for ${width}x${height} pixels`);
    endRectangle(bytes);
  };
  const pixelBytes = (): number => pixelFormat().bitsPerPixel / 8;

  const message = (type: number): void => {
    switch (type) {
      case serverMessages.update:
        expect(UPDATE);
        return;
      case serverMessages.bell:
      case serverMessages.endOfContinuousUpdates:
        return;
      case serverMessages.cutText:
        expect(CUT_TEXT);
        return;
      case serverMessages.fence:
        expect(FENCE);
        return;
      case serverMessages.setColourMap:
        throw new RfbError('a colour map, where colours are true');
      default:
        throw new RfbError(`message of type ${type} is not expected`);
    }
  };

  const rectangle = (bytes: Uint8Array, at: number): void => {
    const x = u16(bytes, at);
    const y = u16(bytes, at + 2);
    width = u16(bytes, at + 4);
    height = u16(bytes, at + 6);
    const encoding = u32(bytes, at + 8) | 0;
    switch (encoding) {
      case encodings.raw:
        beginPixels(x, y);
        endRectangle(width * height * pixelBytes());
        return;
      case encodings.copyRect:
        checkInside(x, y);
        expect(COPY);
        return;
      case encodings.zlib:
      case encodings.zrle:
        beginPixels(x, y);
        expect(COMPRESSED_LENGTH);
        return;
      case encodings.tight:
        beginPixels(x, y);
        expect(TIGHT_CONTROL);
        return;
      default:
        pseudoRectangle(encoding, x, y);
    }
  };
  const checkInside = (x: number, y: number): void => {
    if (x + width > screenWidth || y + height > screenHeight)
      throw new RfbError(
        `a rectangle of ${width}x${height} at ${x},${y} reaches beyond the screen of ${screenWidth}x${screenHeight}`,
      );
  };
  const beginPixels = (x: number, y: number): void => {
    checkInside(x, y);
    onPixels();
  };
  const pseudoRectangle = (encoding: number, x: number, y: number): void => {
    switch (encoding) {
      case pseudoEncodings.lastRect:
        rectanglesLeft = 1;
        endRectangle(0);
        return;
      case pseudoEncodings.desktopSize:
        resize();
        endRectangle(0);
        return;
      case pseudoEncodings.extendedDesktopSize:
        // A refusal of this viewer's wish (reason 1, and a status) changes nothing.
        if (x !== 1 || y === 0) resize();
        expect(SCREENS);
        return;
      case pseudoEncodings.cursor:
        checkCursor();
        endRectangle(width * height * pixelBytes() + maskBytes());
        return;
      case pseudoEncodings.xCursor:
        checkCursor();
        endRectangle(width * height === 0 ? 0 : 6 + 2 * maskBytes());
        return;
      case pseudoEncodings.vmwareCursor:
        checkCursor();
        expect(VMWARE_CURSOR);
        return;
      case pseudoEncodings.desktopName:
        expect(DESKTOP_NAME);
        return;
      case pseudoEncodings.qemuLedState:
        endRectangle(1);
        return;
      case pseudoEncodings.vmwareLedState:
        endRectangle(4);
        return;
      case pseudoEncodings.vmwareCursorPosition:
      case pseudoEncodings.qemuExtendedKey:
        endRectangle(0);
        return;
      default:
        throw new RfbError(`encoding ${encoding} was not asked for`);
    }
  };
  const resize = (): void => {
    checkScreenSize(width, height);
    if (width === screenWidth && height === screenHeight) return;
    screenWidth = width;
    screenHeight = height;
    onGeometry(width, height);
  };
  const checkCursor = (): void => {
    if (width > MAX_CURSOR_SIDE || height > MAX_CURSOR_SIDE)
      throw new RfbError(`a cursor of ${width}x${height}`);
  };
  const maskBytes = (): number => Math.ceil(width / 8) * height;

  const tightControl = (control: number): void => {
    const kind = control >> 4;
    if (kind === TIGHT_FILL) endRectangle(tightPixelBytes(pixelFormat()));
    else if (kind === TIGHT_JPEG) expect(COMPACT_LENGTH_1);
    else if (kind > TIGHT_JPEG) throw new RfbError(`Tight compression ${kind} is unknown`);
    else if ((kind & TIGHT_EXPLICIT_FILTER) !== 0) expect(TIGHT_FILTER);
    else tightData(width * height * tightPixelBytes(pixelFormat()));
  };
  const tightFilter = (filter: number): void => {
    if (filter === FILTER_PALETTE) expect(TIGHT_PALETTE);
    else if (filter === FILTER_COPY || filter === FILTER_GRADIENT)
      tightData(width * height * tightPixelBytes(pixelFormat()));
    else throw new RfbError(`Tight filter ${filter} is unknown`);
  };
  const tightPalette = (colours: number): void => {
    skipBytes = colours * tightPixelBytes(pixelFormat());
    const rowBytes = colours <= 2 ? Math.ceil(width / 8) : width;
    const paletteBytes = skipBytes;
    tightData(rowBytes * height);
    skipBytes += paletteBytes;
  };
  /** The data of a basic rectangle, `bytes` long once it is inflated. */
  const tightData = (bytes: number): void => {
    if (bytes < TIGHT_MIN_COMPRESSED_BYTES) {
      endRectangle(bytes);
    } else {
      skipBytes = 0;
      expect(COMPACT_LENGTH_1);
    }
  };

  const cutText = (length: number): void => {
    if (length >= 0) {
      if (length > clipboardLimitBytes) throw new RfbError(`a clipboard of ${length} bytes`);
      endMessage(length);
      return;
    }
    payloadBytes = -length;
    if (payloadBytes < FLAGS_BYTES || payloadBytes > wirePayloadBytes(clipboardLimitBytes))
      throw new RfbError(`an extended clipboard of ${payloadBytes} bytes`);
    payloadBytes -= FLAGS_BYTES;
    expect(CUT_TEXT_FLAGS);
  };
  const cutTextFlags = (flags: number): void => {
    if (!isProvide(flags)) {
      endMessage(payloadBytes);
      return;
    }
    if (!isTextOnly(flags)) throw new RfbError('a clipboard of something else than text');
    if (payloadBytes === 0) throw new RfbError('an empty clipboard');
    expect(CUT_TEXT_START, Math.min(PEEKED_BYTES, payloadBytes));
  };
  const cutTextStart = (compressed: Uint8Array): void => {
    const bytes = claimedTextBytes(compressed);
    if (bytes === null) throw new RfbError('a clipboard of unknown length');
    if (bytes > wireTextBytes(clipboardLimitBytes)) throw new RfbError(`a clipboard of ${bytes} bytes`);
    endMessage(payloadBytes - compressed.length);
  };

  /** Takes the head of the current state, which is complete in `bytes` at `at`. */
  const takeHead = (bytes: Uint8Array, at: number): void => {
    const first = bytes[at] ?? 0;
    switch (state) {
      case MESSAGE:
        message(first);
        return;
      case UPDATE:
        rectanglesLeft = u16(bytes, at + 1);
        expect(rectanglesLeft > 0 ? RECTANGLE : MESSAGE);
        return;
      case RECTANGLE:
        rectangle(bytes, at);
        return;
      case COPY:
        checkInside(u16(bytes, at), u16(bytes, at + 2));
        endRectangle(0);
        return;
      case COMPRESSED_LENGTH:
        endCompressed(u32(bytes, at));
        return;
      case TIGHT_CONTROL:
        tightControl(first);
        return;
      case TIGHT_FILTER:
        tightFilter(first);
        return;
      case TIGHT_PALETTE:
        tightPalette(first + 1);
        return;
      case COMPACT_LENGTH_1:
        compactLength = first & 0x7f;
        if (first < 0x80) endCompressed(compactLength);
        else expect(COMPACT_LENGTH_2);
        return;
      case COMPACT_LENGTH_2:
        compactLength |= (first & 0x7f) << 7;
        if (first < 0x80) endCompressed(compactLength);
        else expect(COMPACT_LENGTH_3);
        return;
      case COMPACT_LENGTH_3:
        endCompressed(compactLength | (first << 14));
        return;
      case DESKTOP_NAME: {
        const length = u32(bytes, at);
        if (length > MAX_TEXT_BYTES) throw new RfbError(`a name of ${length} bytes`);
        endRectangle(length);
        return;
      }
      case SCREENS:
        endRectangle(first * SCREEN_BYTES);
        return;
      case VMWARE_CURSOR:
        if (first > 1) throw new RfbError(`a cursor of type ${first}`);
        endRectangle(width * height * (first === 0 ? 2 * pixelBytes() : 4));
        return;
      case FENCE: {
        const length = bytes[at + 7] ?? 0;
        if (length > MAX_FENCE_BYTES) throw new RfbError(`a fence of ${length} bytes`);
        endMessage(length);
        return;
      }
      case CUT_TEXT:
        cutText(u32(bytes, at + 3) | 0);
        return;
      case CUT_TEXT_FLAGS:
        cutTextFlags(u32(bytes, at));
        return;
      case CUT_TEXT_START:
        cutTextStart(bytes.subarray(at, at + headBytes));
        return;
    }
  };

  const follow = (chunk: Uint8Array): void => {
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      if (skipBytes > 0) {
        const passed = Math.min(skipBytes, end - at);
        skipBytes -= passed;
        at += passed;
      } else if (scratchBytes === 0 && end - at >= headBytes) {
        const head = at;
        at += headBytes;
        takeHead(chunk, head);
      } else {
        const taken = Math.min(headBytes - scratchBytes, end - at);
        scratch.set(chunk.subarray(at, at + taken), scratchBytes);
        scratchBytes += taken;
        at += taken;
        if (scratchBytes === headBytes) {
          scratchBytes = 0;
          takeHead(scratch, 0);
        }
      }
    }
  };

  return {
    push(chunk) {
      if (broken !== undefined) throw broken;
      try {
        follow(chunk);
      } catch (error) {
        if (error instanceof RfbError) broken = error;
        throw error;
      }
    },
  };
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** Unsigned. */
function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) * 65_536 + u16(bytes, at + 2);
}
