import { vmIdSchema } from '@hearth/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** What is asked for all the time, and what stays open: of interest only to who looks for a fault in it. */
const quiet = new Set([
  '/v1/health',
  '/v1/capacity',
  '/v1/vms',
  '/v1/vms/:id',
  '/v1/snapshots',
  '/v1/drift',
  '/v1/events',
  '/v1/metrics',
]);

/** One line a call, with the request's id; never a query, a header or a body. */
export function logCalls(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    // Not `onResponse`: it doesn't come where the caller goes away first.
    reply.raw.once('close', () => {
      const { method, routeOptions } = request;
      const fields = {
        method,
        path: request.url.split('?')[0],
        ...vmIdOf(request),
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime),
      };
      const message = reply.raw.writableFinished ? 'answered' : 'the caller went away';
      if (method === 'GET' && quiet.has(routeOptions.url ?? '')) request.log.debug(fields, message);
      else request.log.info(fields, message);
    });
    done();
  });
}

/** Named by the path of a call, else nothing. */
function vmIdOf({ params }: FastifyRequest): { vmId?: string } {
  const id = (params as { id?: unknown } | undefined)?.id;
  return typeof id === 'string' && vmIdSchema.safeParse(id).success ? { vmId: id } : {};
}
