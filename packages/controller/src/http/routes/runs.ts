import {
  createRunSchema,
  runChangesSchema,
  runEventSchema,
  runIdSchema,
  runListSchema,
  runSchema,
  type ErrorCode,
  type RequestId,
  type Run,
} from '@hearth/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { RunRecord } from '../../domain/runs/run-record.ts';
import { caller, clientSignal } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { runEventStream } from '../run-events.ts';
import type { Services } from '../services.ts';
import { idempotencyHeaders } from './vms.ts';

/** A prompt and files at their limits, escaped and in base64. */
const BODY_LIMIT_BYTES = 24 * 1024 * 1024;
const LISTED_RUNS = 50;

export const RUN_ID_HEADER = 'x-hearth-run-id';
const runParamsSchema = z.strictObject({ id: runIdSchema });
const runCreationErrors: readonly ErrorCode[] = [
  'unauthenticated',
  'body_too_large',
  'unsupported_media_type',
  'not_found',
  'not_a_cli_vm',
  'vm_deleted',
  'vm_not_ready',
  'credential_missing',
  'idempotency_mismatch',
  'run_queue_full',
];

export function runRoutes(app: App, services: Services): void {
  const { runs, stopping } = services;
  const view = async (run: RunRecord): Promise<Run> => (await runs.view([run]))[0] as Run;

  const sendEvents = (reply: FastifyReply, { userId, id }: RunRecord, after: number): FastifyReply => {
    const signal = clientSignal(reply, stopping);
    reply.type('text/event-stream').header('x-accel-buffering', 'no').header(RUN_ID_HEADER, id);
    return reply.send(runEventStream(runs, { userId, id, after, signal }));
  };

  for (const [path, summary] of [
    ['/api/runs', 'Give a prompt to a tool'],
    ['/api/prompts/execute', 'The same as POST /api/runs'],
  ] as const)
    app.post(
      path,
      {
        bodyLimit: BODY_LIMIT_BYTES,
        config: { budget: 'streams' },
        schema: {
          summary,
          description:
            'It runs in your own CLI VM, which is made and resumed by itself, as soon as its turn comes. Answers with the run; with ' +
            '`accept: text/event-stream` with its events, and its id in the header `x-hearth-run-id`. A run goes on where the ' +
            'client goes away: cancel it by POST /api/runs/{id}/cancel. With an `Idempotency-Key` the same call made again gives the same run.',
          tags: ['runs'],
          headers: idempotencyHeaders,
          body: createRunSchema,
          response: {
            ...errors(...runCreationErrors),
            200: answer('Events of the run', runEventSchema, 'text/event-stream'),
            202: answer('The run, `queued` or further', runSchema),
          },
        },
      },
      async (request, reply) => {
        const { userId } = caller(request);
        const { run, replayed } = await runs.create(userId, request.body, {
          requestId: request.id as RequestId,
          idempotencyKey: request.headers['idempotency-key'],
        });
        if (replayed) reply.header('idempotent-replayed', 'true');
        if (wantsEvents(request)) return sendEvents(reply, run, -1);
        reply.code(202).header('location', `/api/runs/${run.id}`).header(RUN_ID_HEADER, run.id);
        return reply.send(await view(run));
      },
    );

  app.get(
    '/api/runs',
    {
      schema: {
        summary: 'List runs',
        description: 'Your own, newest first; `before` is the id of a run: only older ones.',
        tags: ['runs'],
        querystring: z.strictObject({
          limit: z.coerce.number().int().min(1).max(200).default(LISTED_RUNS),
          before: runIdSchema.optional(),
        }),
        response: { ...errors('unauthenticated', 'not_found'), 200: answer('The runs', runListSchema) },
      },
    },
    async (request) => ({
      runs: await runs.view(await runs.list(caller(request).userId, request.query)),
    }),
  );

  app.get(
    '/api/runs/:id',
    {
      schema: {
        summary: 'Show a run',
        description: 'Its state, what it waits for, its usage and, where it failed, the cause.',
        tags: ['runs'],
        params: runParamsSchema,
        response: { ...errors('unauthenticated', 'not_found'), 200: answer('The run', runSchema) },
      },
    },
    async (request) => view(await runs.find(caller(request).userId, request.params.id)),
  );

  app.get(
    '/api/runs/:id/events',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Follow a run',
        description:
          'Server-sent events, from the first on or behind the number `after` (or `Last-Event-ID`), to `done` or `error`; also of a run ' +
          'that is over, until its retention ends.',
        tags: ['runs'],
        params: runParamsSchema,
        querystring: z.strictObject({ after: z.coerce.number().int().min(-1).optional() }),
        headers: z.looseObject({ 'last-event-id': z.coerce.number().int().min(-1).optional() }),
        response: {
          ...errors('unauthenticated', 'not_found'),
          200: answer('Events of the run', runEventSchema, 'text/event-stream'),
        },
      },
    },
    async (request, reply) => {
      const run = await runs.find(caller(request).userId, request.params.id);
      const after = request.headers['last-event-id'] ?? request.query.after ?? -1;
      return sendEvents(reply, run, after);
    },
  );

  app.post(
    '/api/runs/:id/cancel',
    {
      schema: {
        summary: 'Cancel a run',
        description:
          'One that waits is over at once; the tool of one that runs is ended, and the run is over when that has ended.',
        tags: ['runs'],
        params: runParamsSchema,
        response: {
          ...errors('unauthenticated', 'not_found', 'run_ended'),
          202: answer('The run', runSchema),
        },
      },
    },
    async (request, reply) => {
      const run = await runs.cancel(caller(request).userId, request.params.id);
      return reply.code(202).send(await view(run));
    },
  );

  app.get(
    '/api/runs/:id/changes',
    {
      schema: {
        summary: 'Show what a run changed',
        description: 'Files of its folder, as unified diffs; none before its end.',
        tags: ['runs'],
        params: runParamsSchema,
        response: {
          ...errors('unauthenticated', 'not_found'),
          200: answer('The changed files', runChangesSchema),
        },
      },
    },
    async (request) =>
      (await runs.changes(caller(request).userId, request.params.id)) ?? { changes: [], truncated: false },
  );
}

/** Whoever takes JSON as well gets that. */
function wantsEvents({ headers: { accept = '' } }: FastifyRequest): boolean {
  return accept.includes('text/event-stream') && !accept.includes('application/json');
}
