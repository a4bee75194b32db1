import {
  drainSchema,
  parseWith,
  startProgress,
  sweepRequestSchema,
  type Log,
  type Progress,
} from '@hearth/contract';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { Sweeper } from '../reconcile/sweeper.ts';
import type { DrainSwitch } from '../vms/drain.ts';

export interface UpkeepRoutesDeps {
  reconciler: Pick<Reconciler, 'pass' | 'last'>;
  sweeper: Pick<Sweeper, 'sweep'>;
  drain: DrainSwitch;
  log: Log;
}

const SWEEP_TIMEOUT_MS = 5 * 60_000;
const PASS_TIMEOUT_MS = 60_000;

/** What the host has and lost: POST /v1/sweep, GET /v1/drift, GET and PUT /v1/drain. */
export function addUpkeepRoutes(
  app: FastifyInstance,
  { reconciler, sweeper, drain, log }: UpkeepRoutesDeps,
): void {
  /** Ends when the caller goes away. */
  const progressOf = (what: string, timeoutMs: number, reply: FastifyReply): Progress => {
    const gone = new AbortController();
    reply.raw.on('close', () => gone.abort());
    return startProgress({ what, timeoutMs, signal: gone.signal, log });
  };
  app.post('/v1/sweep', (request, reply) =>
    sweeper.sweep(
      parseWith(sweepRequestSchema, request.body ?? {}, 'bad_request', 'sweep'),
      progressOf('the sweep', SWEEP_TIMEOUT_MS, reply),
    ),
  );
  app.get('/v1/drift', async (request, reply) => {
    const { now } = request.query as { now?: string };
    const last = now === 'true' ? null : reconciler.last();
    return last ?? reconciler.pass(progressOf('the comparison', PASS_TIMEOUT_MS, reply));
  });
  app.get('/v1/drain', () => drain.get());
  app.put('/v1/drain', (request) => drain.set(parseWith(drainSchema, request.body, 'bad_request', 'drain')));
}
