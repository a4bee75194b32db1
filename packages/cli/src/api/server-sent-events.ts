import { HearthError, MAX_LINE_BYTES, parseWith, splitLines } from '@hearth/contract';
import type { z } from 'zod';

/** Reads the `data:` lines of a text/event-stream; the controller puts each event into one. */
export async function* readServerSentEvents<T extends z.ZodType>(
  chunks: AsyncIterable<Uint8Array>,
  schema: T,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<z.infer<T>> {
  for await (const line of splitLines(chunks, maxBytes)) {
    if (!line.startsWith('data:')) continue;
    yield parseWith(schema, parseData(line.slice('data:'.length)), 'internal', 'event');
  }
}

function parseData(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HearthError('internal', 'an event of the controller is not JSON', { cause });
  }
}
