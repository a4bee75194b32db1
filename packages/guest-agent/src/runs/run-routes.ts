import {
  guestRunOrderSchema,
  HearthError,
  parseWith,
  runIdSchema,
  runLimits,
  type RunId,
} from '@hearth/contract';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { sendJson } from '../http/answer.ts';
import { parseQuery, readJson } from '../http/body.ts';
import type { Route } from '../http/context.ts';
import { startGuestRun, type GuestRun, type GuestRunDeps } from './guest-run.ts';

/** Runs known at once in one VM: under way, or ended and not yet deleted. */
const MAX_RUNS = 64;
/** Ended ones that nobody deleted are kept up to this number. */
const MAX_ENDED = 16;
/** Prompt and files, escaped and in base64. */
const MAX_ORDER_BYTES = 4 * (runLimits.promptBytes + runLimits.fileBytes);

const outputQuerySchema = z.strictObject({
  /** The last `seq` that the reader has. */
  after: z.coerce.number().int().min(-1).default(-1),
});

interface KnownRun {
  starting: Promise<GuestRun>;
  isOver: boolean;
}

/** PUT /runs/:id, GET /runs/:id/output, POST /runs/:id/cancel, DELETE /runs/:id of contract/run.ts. */
export function runRoutes(deps: GuestRunDeps): { routes: Route[]; stop(): void } {
  /** In the order of their start. */
  const runs = new Map<RunId, KnownRun>();
  let stopped = false;

  const idOf = (text: string | undefined): RunId => parseWith(runIdSchema, text, 'bad_request', 'run id');
  const find = async (id: RunId): Promise<GuestRun> => {
    const known = runs.get(id);
    if (known === undefined)
      throw new HearthError('not_found', `there is no run ${id} in this VM`, {
        hint: 'It was deleted, or never started since the VM did.',
      });
    return known.starting;
  };
  const forgetOldest = (): void => {
    const ended = [...runs].filter(([, { isOver }]) => isOver);
    for (const [id, { starting }] of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) {
      runs.delete(id);
      starting.then((run) => run.spool.remove()).catch(reportLoss);
    }
  };
  const reportLoss = (error: unknown): void =>
    deps.log('a run could not be removed', { error: String(error) });

  const begin = (id: RunId, order: z.infer<typeof guestRunOrderSchema>): KnownRun => {
    if (stopped) throw new HearthError('shutting_down', 'the agent stops');
    forgetOldest();
    if (runs.size >= MAX_RUNS)
      throw new HearthError('rate_limited', `${MAX_RUNS} runs are in this VM`, {
        hint: 'Wait until some of them have ended.',
      });
    const known: KnownRun = { starting: startGuestRun(id, order, deps), isOver: false };
    runs.set(id, known);
    known.starting.then(
      async (run) => {
        if (stopped) run.end('cancel');
        await run.ended;
        known.isOver = true;
      },
      // Whoever asked for it is told; the same id may be tried again.
      () => runs.delete(id),
    );
    return known;
  };

  const put: Route['handle'] = async ({ request, response, params }) => {
    const id = idOf(params[0]);
    const order = await readJson(request, guestRunOrderSchema, MAX_ORDER_BYTES);
    const known = runs.get(id);
    await (known ?? begin(id, order)).starting;
    sendJson(response, known === undefined ? 201 : 200, { id });
  };

  const output: Route['handle'] = async ({ response, query, params }) => {
    const { after } = parseQuery(query, outputQuerySchema);
    const { spool } = await find(idOf(params[0]));
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    response.flushHeaders();
    // The reader's going away ends its reading; the run goes on.
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      await pipeline(spool.read(after, gone.signal), response);
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    }
  };

  const cancel: Route['handle'] = async ({ response, params }) => {
    (await find(idOf(params[0]))).end('cancel');
    response.writeHead(204).end();
  };

  const remove: Route['handle'] = async ({ response, params }) => {
    const id = idOf(params[0]);
    const known = runs.get(id);
    if (known !== undefined) {
      const run = await known.starting;
      run.end('cancel');
      await run.ended;
      if (runs.delete(id)) await run.spool.remove();
    }
    response.writeHead(204).end();
  };

  return {
    routes: [
      { method: 'PUT', path: /^\/runs\/([^/]+)$/, handle: put },
      { method: 'DELETE', path: /^\/runs\/([^/]+)$/, handle: remove },
      { method: 'GET', path: /^\/runs\/([^/]+)\/output$/, handle: output },
      { method: 'POST', path: /^\/runs\/([^/]+)\/cancel$/, handle: cancel },
    ],
    stop: () => {
      stopped = true;
      for (const { starting } of runs.values())
        // One that did not start has nothing to end.
        starting.then(
          async (run) => {
            run.end('cancel');
            await run.ended;
            await run.spool.remove();
          },
          () => undefined,
        );
    },
  };
}
