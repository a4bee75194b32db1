import { open } from 'node:fs/promises';

/** A longer line is cut: a guest may print any amount without a newline. */
export const MAX_LINE_CHARACTERS = 64 * 1024;
const CHUNK_BYTES = 256 * 1024;

export interface FileLine {
  /** Of its first byte in the file. */
  offset: number;
  text: string;
}

/**
 * The lines of a file from an offset on, up to `end` where given. Returns the offset behind the last one; a last line without
 * its newline is left for the next time, unless `wholeFile`.
 */
export async function* readLines(
  path: string,
  { from = 0, end = Number.POSITIVE_INFINITY, wholeFile = false } = {},
): AsyncGenerator<FileLine, number> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let rest = Buffer.alloc(0);
  /** Of the first byte of `rest`; further on where a long line was cut. */
  let offset = from;
  let position = from;
  let skipping = false;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK_BYTES, end - position), position);
    if (bytesRead === 0) break;
    position += bytesRead;
    let bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a)) {
      if (!skipping) yield { offset, text: textOf(bytes.subarray(0, at)) };
      skipping = false;
      offset += at + 1;
      bytes = bytes.subarray(at + 1);
    }
    if (bytes.length > MAX_LINE_CHARACTERS) {
      if (!skipping) yield { offset, text: textOf(bytes) };
      skipping = true;
      offset += bytes.length;
      bytes = Buffer.alloc(0);
    }
    rest = Buffer.from(bytes);
  }
  if (wholeFile && rest.length > 0 && !skipping) {
    yield { offset, text: textOf(rest) };
    offset += rest.length;
  }
  return offset;
}

const textOf = (bytes: Buffer): string => bytes.subarray(0, MAX_LINE_CHARACTERS).toString('utf8');
