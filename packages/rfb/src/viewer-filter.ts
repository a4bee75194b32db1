import { RfbError } from './dialogue.ts';
import { chooseEncodings, type EncodingPolicy } from './encodings.ts';
import {
  claimedTextBytes,
  FLAGS_BYTES,
  isCaps,
  isProvide,
  MAX_CAPS_BYTES,
  PEEKED_BYTES,
  wirePayloadBytes,
  wireTextBytes,
} from './extended-clipboard.ts';
import { createHeldInput } from './held-input.ts';
import { checkScreenSize, MAX_FENCE_BYTES } from './limits.ts';
import { readPixelFormat, samePixelFormat, type PixelFormat } from './pixel-format.ts';
import { QEMU_KEY_EVENT, setEncodings, viewerMessages } from './viewer-messages.ts';

export interface ViewerFilterOptions {
  pixelFormat: PixelFormat;
  /** Asked at each message that would change something: may this viewer drive the desktop now? */
  mayControl: () => boolean;
  policy: EncodingPolicy;
  clipboardLimitBytes: number;
  /** A message was dropped for a reason that the viewer should be told. */
  onDropped: (reason: 'clipboard_too_large') => void;
}

/** Reads what a viewer sends after the handshake: strictly, message by message, passing on only what is allowed. */
export interface ViewerFilter {
  /** What may go on to the server, whole messages in as few buffers as can be; views of `chunk` where nothing had to be changed. Throws RfbError. */
  push(chunk: Buffer): Buffer[];
  /** Key-up and button-up messages for whatever this viewer holds down, for the moment it loses the control. */
  release(): Buffer;
  pixelFormat(): PixelFormat;
}

/** No viewer knows that many. */
const MAX_ENCODINGS = 1024;
const SCREEN_BYTES = 16;
/** The longest message but for cut texts: SetEncodings. */
const SCRATCH_BYTES = 4 + 4 * MAX_ENCODINGS;
const CUT_TEXT_HEAD_BYTES = 8;

export function createViewerFilter({
  pixelFormat: firstFormat,
  mayControl,
  policy,
  clipboardLimitBytes,
  onDropped,
}: ViewerFilterOptions): ViewerFilter {
  let format = firstFormat;
  let asksForUpdates = false;
  const held = createHeldInput();
  const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** The beginning of a message whose rest has not come yet: `scratch`, or memory of its own for a long one. */
  let part = scratch;
  let partBytes = 0;
  let skipBytes = 0;
  let broken: RfbError | undefined;

  /** Whole length of the message at `at`, or, where that isn't known yet, minus the number of bytes that would tell. */
  const lengthOf = (bytes: Buffer, at: number, end: number): number => {
    const known = end - at;
    const type = bytes.readUInt8(at);
    switch (type) {
      case viewerMessages.setPixelFormat:
        return 20;
      case viewerMessages.setEncodings: {
        if (known < 4) return -4;
        const count = bytes.readUInt16BE(at + 2);
        if (count > MAX_ENCODINGS) throw new RfbError(`${count} encodings`);
        return 4 + 4 * count;
      }
      case viewerMessages.updateRequest:
      case viewerMessages.enableContinuousUpdates:
        return 10;
      case viewerMessages.keyEvent:
        return 8;
      case viewerMessages.pointerEvent:
        return 6;
      case viewerMessages.cutText:
        return known < CUT_TEXT_HEAD_BYTES
          ? -CUT_TEXT_HEAD_BYTES
          : CUT_TEXT_HEAD_BYTES + Math.abs(bytes.readInt32BE(at + 4));
      case viewerMessages.fence: {
        if (known < 9) return -9;
        const length = bytes.readUInt8(at + 8);
        if (length > MAX_FENCE_BYTES) throw new RfbError(`a fence of ${length} bytes`);
        return 9 + length;
      }
      case viewerMessages.setDesktopSize:
        return known < 8 ? -8 : 8 + SCREEN_BYTES * bytes.readUInt8(at + 6);
      case viewerMessages.qemu:
        if (known < 2) return -2;
        if (bytes.readUInt8(at + 1) !== QEMU_KEY_EVENT)
          throw new RfbError(`QEMU message of type ${bytes.readUInt8(at + 1)} is not expected`);
        return 12;
      default:
        throw new RfbError(`message of type ${type} is not expected`);
    }
  };

  /** A cut text so long that its payload isn't kept until it is complete. */
  const isTooLong = (head: Buffer, at: number): boolean => {
    if (head.readUInt8(at) !== viewerMessages.cutText) return false;
    const length = head.readInt32BE(at + 4);
    const limit = length >= 0 ? clipboardLimitBytes : wirePayloadBytes(clipboardLimitBytes);
    if (Math.abs(length) <= limit) return false;
    if (mayControl()) onDropped('clipboard_too_large');
    return true;
  };

  /** The message as it may go on: itself, another one, or null. */
  const judge = (message: Buffer): Buffer | null => {
    switch (message.readUInt8()) {
      case viewerMessages.setPixelFormat:
        return judgePixelFormat(message);
      case viewerMessages.setEncodings:
        return judgeEncodings(message);
      case viewerMessages.enableContinuousUpdates:
        asksForUpdates ||= message.readUInt8(1) !== 0;
        return message;
      case viewerMessages.updateRequest:
        asksForUpdates = true;
        return message;
      case viewerMessages.fence:
        return message;
      case viewerMessages.cutText:
        return judgeCutText(message);
      case viewerMessages.setDesktopSize:
        if (!mayControl()) return null;
        checkScreenSize(message.readUInt16BE(2), message.readUInt16BE(4));
        return message;
      default:
        // Keys and pointer.
        if (!mayControl()) return null;
        held.note(message);
        return message;
    }
  };
  const judgePixelFormat = (message: Buffer): Buffer => {
    const wanted = readPixelFormat(message.subarray(4));
    if (!wanted.trueColour) throw new RfbError('a pixel format with a colour map');
    // The guard of the other direction couldn't know where updates in the old format end.
    if (asksForUpdates && !samePixelFormat(wanted, format))
      throw new RfbError('the pixel format may change only before the first update');
    format = wanted;
    return message;
  };
  const judgeEncodings = (message: Buffer): Buffer => {
    const named: number[] = [];
    for (let at = 4; at < message.length; at += 4) named.push(message.readInt32BE(at));
    return setEncodings(chooseEncodings(named, policy));
  };
  const judgeCutText = (message: Buffer): Buffer | null => {
    if (message.readInt32BE(4) >= 0) return mayControl() ? message : null;
    const payload = message.subarray(CUT_TEXT_HEAD_BYTES);
    if (payload.length < FLAGS_BYTES) throw new RfbError('an extended clipboard without flags');
    const flags = payload.readUInt32BE();
    // What the viewer's clipboard can do: without it, whoever gets the control later would have none.
    if (isCaps(flags)) {
      if (payload.length > MAX_CAPS_BYTES) throw new RfbError('an extended clipboard with too many formats');
      return message;
    }
    if (!mayControl()) return null;
    if (!isProvide(flags)) return message;
    const bytes = claimedTextBytes(payload.subarray(FLAGS_BYTES, FLAGS_BYTES + PEEKED_BYTES));
    if (bytes === null) throw new RfbError('a clipboard of unknown length');
    if (bytes <= wireTextBytes(clipboardLimitBytes)) return message;
    onDropped('clipboard_too_large');
    return null;
  };

  /** Adds to the part at hand up to `wanted` bytes of message; gives the bytes taken from the chunk. */
  const keep = (chunk: Buffer, at: number, wanted: number): number => {
    if (wanted > part.length) {
      const larger = Buffer.allocUnsafeSlow(wanted);
      part.copy(larger, 0, 0, partBytes);
      part = larger;
    }
    const taken = chunk.copy(part, partBytes, at, Math.min(chunk.length, at + wanted - partBytes));
    partBytes += taken;
    return taken;
  };

  const endPart = (): void => {
    part = scratch;
    partBytes = 0;
  };

  const filter = (chunk: Buffer): Buffer[] => {
    const passed: Buffer[] = [];
    /** Start of messages in the chunk that pass as they are; a run of them is passed as one view. */
    let runStart = 0;
    let at = 0;
    const endRun = (next: number): void => {
      if (at > runStart) passed.push(chunk.subarray(runStart, at));
      runStart = next;
      at = next;
    };
    while (at < chunk.length) {
      if (skipBytes > 0) {
        const skipped = Math.min(skipBytes, chunk.length - at);
        skipBytes -= skipped;
        endRun(at + skipped);
      } else if (partBytes > 0) {
        const wanted = Math.abs(lengthOf(part, 0, partBytes));
        endRun(at + keep(chunk, at, wanted));
        const length = lengthOf(part, 0, partBytes);
        if (length > 0 && isTooLong(part, 0)) {
          skipBytes = length - partBytes;
          endPart();
        } else if (length === partBytes) {
          const message = judge(part.subarray(0, length));
          // Memory of its own needn't be copied.
          if (message !== null) passed.push(part === scratch ? Buffer.from(message) : message);
          endPart();
        }
      } else {
        const length = lengthOf(chunk, at, chunk.length);
        if (length > 0 && isTooLong(chunk, at)) {
          skipBytes = length;
          endRun(at);
        } else if (length > 0 && at + length <= chunk.length) {
          const original = chunk.subarray(at, at + length);
          const message = judge(original);
          if (message === original) {
            at += length;
          } else {
            endRun(at + length);
            if (message !== null) passed.push(message);
          }
        } else {
          endRun(at + keep(chunk, at, Math.abs(length)));
        }
      }
    }
    endRun(at);
    return passed.length > 1 ? [Buffer.concat(passed)] : passed;
  };
  return {
    push(chunk) {
      if (broken !== undefined) throw broken;
      try {
        return filter(chunk);
      } catch (error) {
        if (error instanceof RfbError) broken = error;
        throw error;
      }
    },
    release: () => held.release(),
    pixelFormat: () => format,
  };
}
