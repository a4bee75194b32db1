import { asHearthError, encodeLine, toProblem } from '@hearth/contract';
import { Readable } from 'node:stream';

const NEWLINE = 0x0a;

/**
 * Passes NDJSON through as it comes. Where the source breaks off, the reader gets an `error` line as the last
 * one, so that a broken answer never looks like a complete one.
 */
export function passLines(source: Readable, requestId: string, signal: AbortSignal): Readable {
  const lines = async function* (): AsyncGenerator<Uint8Array | string> {
    let last = NEWLINE;
    try {
      for await (const chunk of source as AsyncIterable<Uint8Array>) {
        last = chunk.at(-1) ?? last;
        yield chunk;
      }
    } catch (error) {
      const cause = signal.aborted ? asHearthError(signal.reason) : asHearthError(error, 'host_unreachable');
      if (cause.code === 'aborted') throw cause;
      if (last !== NEWLINE) yield '\n';
      yield encodeLine({ type: 'error', problem: toProblem(cause, requestId) });
    }
  };
  return Readable.from(lines(), { objectMode: false });
}
