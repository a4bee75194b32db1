import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { createDeflate, crc32 } from 'node:zlib';

/** Rows of red, green and blue, from the top. */
export interface RgbRows {
  width: number;
  height: number;
  /** Writes row `y` to `target`, which has `3 * width` bytes. */
  row: (y: number, target: Uint8Array) => void;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** PNG's filter `Up`: each byte as the difference from the one above, which for screens is mostly 0. */
const FILTER_UP = 2;
/** The event loop is held no longer at a time. */
const PIECE_MS = 3;

/**
 * Encodes a picture as PNG (ISO/IEC 15948: 8 bits, RGB). In pieces, with zlib on its own threads: an encoder
 * that prepares the whole picture first would hold all desktops up for as long (pngjs: 85 ms for 1280x720).
 */
export async function encodePng(rows: RgbRows, signal: AbortSignal): Promise<Buffer> {
  const { width, height } = rows;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits a sample, RGB, deflate, adaptive filters, not interlaced.
  header.set([8, 2, 0, 0, 0], 8);
  const data = await deflateRows(rows, signal);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

async function deflateRows({ width, height, row }: RgbRows, signal: AbortSignal): Promise<Buffer> {
  const deflate = createDeflate({ level: 3 });
  const parts: Buffer[] = [];
  deflate.on('data', (part: Buffer) => parts.push(part));
  const finished = once(deflate, 'end', { signal });
  // Where the loop below throws, this promise is nobody's.
  finished.catch(() => undefined);
  let above = new Uint8Array(width * 3);
  let current = new Uint8Array(width * 3);
  let since = performance.now();
  try {
    for (let y = 0; y < height; y += 1) {
      row(y, current);
      const line = Buffer.allocUnsafe(width * 3 + 1);
      line[0] = FILTER_UP;
      for (let at = 0; at < current.length; at += 1) line[at + 1] = (current[at] ?? 0) - (above[at] ?? 0);
      [above, current] = [current, above];
      if (!deflate.write(line)) await once(deflate, 'drain', { signal });
      if (performance.now() - since > PIECE_MS) {
        await setImmediate(undefined, { signal });
        since = performance.now();
      }
    }
    deflate.end();
    await finished;
    return Buffer.concat(parts);
  } finally {
    deflate.destroy();
  }
}

function chunk(type: 'IHDR' | 'IDAT' | 'IEND', data: Buffer): Buffer {
  const framed = Buffer.alloc(data.length + 12);
  framed.writeUInt32BE(data.length, 0);
  framed.write(type, 4, 'latin1');
  data.copy(framed, 8);
  framed.writeUInt32BE(crc32(framed.subarray(4, 8 + data.length)), 8 + data.length);
  return framed;
}
