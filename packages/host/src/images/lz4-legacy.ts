import { setImmediate } from 'node:timers/promises';
import { HearthError } from '@hearth/contract';

/** First four bytes of lz4's legacy format, in which Debian packs its cloud kernel. */
export const LZ4_LEGACY_MAGIC = 0x184c2102;
const BLOCK_BYTES = 8 * 1024 * 1024;

/** Unpacks lz4's legacy format (8 MiB blocks, each behind its packed length); Node has no lz4 of its own. */
export async function unpackLz4Legacy(packed: Buffer): Promise<Buffer> {
  const blocks: Buffer[] = [];
  let position = 4;
  while (position + 4 <= packed.length) {
    const length = packed.readUInt32LE(position);
    position += 4;
    if (length === LZ4_LEGACY_MAGIC) continue;
    if (length === 0 || position + length > packed.length) break;
    blocks.push(unpackBlock(packed.subarray(position, position + length)));
    position += length;
    await setImmediate();
  }
  return Buffer.concat(blocks);
}

/** One LZ4 block: sequences of a token, literals, and a match in what was written so far. */
export function unpackBlock(packed: Buffer, maxBytes = BLOCK_BYTES): Buffer {
  const output = Buffer.allocUnsafe(maxBytes);
  let read = 0;
  let written = 0;
  const byte = (): number => {
    const value = packed[read++];
    if (value === undefined)
      throw new HearthError('image_build_failed', 'the packed kernel ends in the middle');
    return value;
  };
  const longLength = (start: number): number => {
    let length = start;
    if (start !== 15) return length;
    let more = 255;
    while (more === 255) length += more = byte();
    return length;
  };
  while (read < packed.length) {
    const token = byte();
    const literals = longLength(token >> 4);
    if (written + literals > maxBytes)
      throw new HearthError('image_build_failed', 'the packed kernel is damaged');
    packed.copy(output, written, read, read + literals);
    read += literals;
    written += literals;
    if (read >= packed.length) break;
    const offset = byte() | (byte() << 8);
    const match = longLength(token & 15) + 4;
    if (offset === 0 || offset > written || written + match > maxBytes) {
      throw new HearthError('image_build_failed', 'the packed kernel is damaged');
    }
    if (offset >= match) output.copyWithin(written, written - offset, written - offset + match);
    else for (let i = 0; i < match; i++) output[written + i] = output[written - offset + i] ?? 0;
    written += match;
  }
  return output.subarray(0, written);
}
