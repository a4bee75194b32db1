import { inflateSync, constants } from 'node:zlib';

/** Actions in the flags of an extended cut text (rfbproto, Extended Clipboard Pseudo-encoding). */
const CAPS = 1 << 24;
const PROVIDE = 1 << 28;
const TEXT = 1 << 0;
const FORMATS = 0xffff;

export const FLAGS_BYTES = 4;
/** Flags, and one length for each of 16 formats. */
export const MAX_CAPS_BYTES = FLAGS_BYTES + 4 * 16;
/** So much of a compressed text suffices for its length: that is within the first deflate block, whose tables take some 600 bytes at most. */
export const PEEKED_BYTES = 1024;
/** Longest compressed form of a text, beyond the text: flags, length, zlib's own. */
const SLACK_BYTES = 4096;

/** Longest text on the wire where a text of `limitBytes` is allowed: every line end may have become two bytes, and a NUL follows. */
export const wireTextBytes = (limitBytes: number): number => 2 * limitBytes + 1;

/** Longest payload of an extended cut text for such a limit. */
export const wirePayloadBytes = (limitBytes: number): number => {
  const text = wireTextBytes(limitBytes);
  return text + Math.ceil(text / 1024) + SLACK_BYTES;
};

export const isCaps = (flags: number): boolean => (flags & CAPS) !== 0;
export const isProvide = (flags: number): boolean => !isCaps(flags) && (flags & PROVIDE) !== 0;
export const isTextOnly = (flags: number): boolean => (flags & FORMATS) === TEXT;

/**
 * Length that the text of a `provide` claims to have once it is inflated: without this check a few bytes could take
 * gigabytes of whoever reads them. null where the beginning of the compressed data (PEEKED_BYTES of it, or all) doesn't tell.
 */
export function claimedTextBytes(compressed: Uint8Array): number | null {
  try {
    const start = inflateSync(compressed, { finishFlush: constants.Z_SYNC_FLUSH });
    return start.length < 4 ? null : start.readUInt32BE();
  } catch {
    // Not zlib: the same as saying nothing.
    return null;
  }
}
