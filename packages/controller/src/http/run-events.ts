import { withAbort, type RunId, type UserId } from '@hearth/contract';
import { Readable } from 'node:stream';
import { isEnded } from '../domain/runs/run-record.ts';
import type { RunService } from '../runs/run-service.ts';
import { SHUTTING_DOWN_WORD } from './event-stream.ts';

/** Keeps proxies from ending a quiet stream. */
const HEARTBEAT_MS = 15_000;

export interface RunReader {
  userId: UserId;
  id: RunId;
  /** Events up to this one are known; -1: none. */
  after: number;
  /** Ends the stream. */
  signal: AbortSignal;
}

/**
 * Server-sent events of a run, to its end. They are read page by page from the store as the client takes them: however slow
 * it is, no more than a page waits for it.
 */
export const runEventStream = (runs: RunService, reader: RunReader): Readable =>
  Readable.from(pages(runs, reader), { objectMode: false });

async function* pages(runs: RunService, { userId, id, after, signal }: RunReader): AsyncGenerator<string> {
  let changed = Promise.withResolvers<boolean>();
  const unsubscribe = runs.watch(id, () => changed.resolve(true));
  let last = after;
  try {
    // The head of the answer goes with it, also where the first event is far.
    yield ': run\n\n';
    while (!signal.aborted) {
      changed = Promise.withResolvers();
      const page = await runs.events(id, last);
      if (page.length > 0) {
        last = page.at(-1)?.seq ?? last;
        yield page.map(({ seq, type, body }) => `id: ${seq}\nevent: ${type}\ndata: ${body}\n\n`).join('');
        continue;
      }
      const run = await runs.find(userId, id);
      if (isEnded(run) && last >= run.events - 1) return;
      if (!(await happens(changed, signal))) yield ': beat\n\n';
    }
    // Whoever went away doesn't read it.
    yield SHUTTING_DOWN_WORD;
  } finally {
    unsubscribe();
  }
}

/** Waits for the change, at most for a heartbeat: false. True also at the signal, which whoever waits looks at. */
async function happens(changed: PromiseWithResolvers<boolean>, signal: AbortSignal): Promise<boolean> {
  const timer = setTimeout(() => changed.resolve(false), HEARTBEAT_MS);
  try {
    return await withAbort(changed.promise, signal);
  } catch (error) {
    if (signal.aborted) return true;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
