import {
  HearthError,
  pause,
  runEventSchema,
  type ErrorCode,
  type RunEvent,
  type RunId,
} from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { readServerSentEvents } from '../api/server-sent-events.ts';

/** The tool's own event goes with ours, so an event may be of twice the longest line of a tool, escaped. */
const MAX_EVENT_BYTES = 32 * 1024 * 1024;
/** A controller that does not come back for so long is not waited for any longer; the run goes on all the same. */
const AWAY_MS = 60_000;
const PAUSE_MS = 500;

const breaks: readonly ErrorCode[] = ['controller_unreachable', 'shutting_down'];

/** Events of a run behind `after`, to its last one. A connection that breaks is taken up again where it was. */
export async function* followRun(
  api: Api,
  id: RunId,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<RunEvent> {
  let last = after;
  let heardAtMs = performance.now();
  // Ends: with the last event, by the signal, or where the controller stays away.
  for (;;) {
    try {
      const { body } = await api.open('GET', `/api/runs/${id}/events`, {
        query: { after: String(last) },
        headers: { accept: 'text/event-stream' },
        signal,
      });
      heardAtMs = performance.now();
      for await (const event of readServerSentEvents(body, runEventSchema, MAX_EVENT_BYTES)) {
        if (event.seq <= last) continue;
        last = event.seq;
        yield event;
        if (event.type === 'done' || event.type === 'error') return;
        heardAtMs = performance.now();
      }
    } catch (error) {
      if (!(error instanceof HearthError) || !breaks.includes(error.code)) throw error;
      if (performance.now() - heardAtMs > AWAY_MS)
        throw new HearthError(error.code, error.detail, {
          cause: error,
          hint: `The run goes on: see it with \`hearth runs events ${id} --after ${last}\` once Hearth is back.`,
        });
    }
    await pause(PAUSE_MS, signal);
  }
}
