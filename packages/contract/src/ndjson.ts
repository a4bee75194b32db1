import type { z } from 'zod';
import { HearthError, parseWith } from './errors.ts';

/** One JSON value a line: the framing of every stream of events between the levels, and of the control channel. */
export function encodeLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** Longest line that is taken; a longer one is a fault of the peer (hostile input included). */
export const MAX_LINE_BYTES = 1024 * 1024;

/** Splits a byte stream into lines, whatever its chunks. Throws HearthError where a line is too long. */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    let end = rest.indexOf('\n');
    while (end !== -1) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line.trim() !== '') yield line;
      end = rest.indexOf('\n');
    }
    if (rest.length > maxBytes)
      throw new HearthError('bad_request', `a line is longer than ${maxBytes} bytes`);
  }
  rest += decoder.decode();
  if (rest.trim() !== '') yield rest;
}

/** Reads typed events out of a byte stream. Throws HearthError on what is not JSON or not of the schema. */
export async function* readEvents<T extends z.ZodType>(
  chunks: AsyncIterable<Uint8Array>,
  schema: T,
): AsyncGenerator<z.infer<T>> {
  for await (const line of splitLines(chunks)) {
    yield parseWith(schema, parseJson(line), 'bad_request', 'stream event');
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new HearthError('bad_request', 'a line of the stream is not JSON', { cause });
  }
}
