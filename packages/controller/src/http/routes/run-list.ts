import { asHearthError, runListEventSchema, type RunId } from '@hearth/contract';
import type { z } from 'zod';
import { isEnded, type RunRecord } from '../../domain/runs/run-record.ts';
import { caller } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import { openEventStream } from '../event-stream.ts';
import type { App } from '../fastify.ts';
import type { Services } from '../services.ts';

type RunListEvent = z.infer<typeof runListEventSchema>;

/** Ended runs that are told at first. */
const ENDED_RUNS = 20;
/** A run that speaks changes all the time: what came within this time is told as one. */
const GATHER_MS = 100;

export function runListRoute(app: App, { runs, stopping }: Services): void {
  app.get(
    '/api/runs/events',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Follow your runs',
        description:
          'Server-sent events: `run` with each of your runs that isn’t over and the newest 20 others, then `listed`; then `run` at every change.',
        tags: ['runs'],
        response: {
          ...errors('unauthenticated'),
          200: answer('Events', runListEventSchema, 'text/event-stream'),
        },
      },
    },
    async (request, reply) => {
      const { userId } = caller(request);
      /** As they were told: a place in the queue changes without a change of its run. */
      const told = new Map<RunId, string>();
      const changed = new Map<RunId, RunRecord>();
      let timer: NodeJS.Timeout | null = null;
      let listed = false;
      const unsubscribe = runs.watchUser(userId, (run) => {
        changed.set(run.id, run);
        if (listed) timer ??= setTimeout(() => void tell(), GATHER_MS);
      });
      const stream = openEventStream(reply, stopping, () => {
        unsubscribe();
        if (timer !== null) clearTimeout(timer);
      });
      const send = async (list: readonly RunRecord[]): Promise<void> => {
        for (const run of await runs.view(list)) {
          const text = JSON.stringify(run);
          if (told.get(run.id) === text) continue;
          if (isEnded(run)) told.delete(run.id);
          else told.set(run.id, text);
          stream.send({ type: 'run', run } satisfies RunListEvent);
        }
      };
      const tell = async (): Promise<void> => {
        try {
          const ended = [...changed.values()].filter(isEnded);
          changed.clear();
          await send([...(await runs.current(userId, 0)), ...ended]);
          timer = changed.size === 0 ? null : setTimeout(() => void tell(), GATHER_MS);
        } catch (error) {
          request.log.info({ code: asHearthError(error).code }, 'runs can’t be followed');
          // The client comes again, and gets them all anew.
          stream.end();
        }
      };
      try {
        await send(await runs.current(userId, ENDED_RUNS));
      } catch (error) {
        stream.abandon();
        throw error;
      }
      stream.send({ type: 'listed' } satisfies RunListEvent);
      listed = true;
      if (changed.size > 0) void tell();
      return stream.start();
    },
  );
}
