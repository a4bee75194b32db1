import {
  execEventSchema,
  execIdSchema,
  execRequestSchema,
  execSignalSchema,
  type ErrorCode,
} from '@hearth/contract';
import { Readable } from 'node:stream';
import type { Services } from '../services.ts';
import { passLines } from '../byte-stream.ts';
import { answer, bytesSchema, errors, noBody } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { acceptBytes } from '../raw-body.ts';
import { useVm } from '../ready-vm.ts';
import { vmParamsSchema } from './vms.ts';

const execParamsSchema = vmParamsSchema.extend({ execId: execIdSchema });
/** What any call into a VM may answer. */
export const insideErrors: readonly ErrorCode[] = [
  'unauthenticated',
  'not_found',
  'vm_not_ready',
  'vm_deleted',
  'agent_unreachable',
  'host_unreachable',
  'deadline_exceeded',
  'body_too_large',
  'unsupported_media_type',
];
/** And what it may where a hibernated VM is resumed first. */
export const wakingErrors: readonly ErrorCode[] = [
  ...insideErrors,
  'vm_hibernated',
  'capacity_exceeded',
  'addresses_exhausted',
  'snapshot_invalid',
];

export function commandRoutes(app: App, services: Services): void {
  const { host } = services;
  app.post(
    '/api/vms/:id/exec',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Run a command in a VM',
        description:
          'The answer streams: one JSON value a line, `started` first, `exit` or `error` last. ' +
          'When the client goes away, the command’s whole process group ends. The environment is never logged. ' +
          'A hibernated VM is resumed first, as it is by every call for its commands and files.',
        tags: ['commands'],
        params: vmParamsSchema,
        body: execRequestSchema,
        response: {
          ...errors(...wakingErrors, 'exec_failed'),
          200: answer('Events of the command', execEventSchema, 'application/x-ndjson'),
        },
      },
    },
    async (request, reply) => {
      const { vm, signal } = await useVm(services, request, reply, request.params.id);
      const { body } = await host.pass(
        { method: 'POST', vmId: vm.id, path: 'exec', body: JSON.stringify(request.body) },
        { signal, requestId: request.id },
      );
      reply.type('application/x-ndjson');
      return reply.send(passLines(body, request.id, signal) as never);
    },
  );

  app.post(
    '/api/vms/:id/exec/:execId/signal',
    {
      schema: {
        summary: 'Send a signal to a command',
        description: 'To its whole process group.',
        tags: ['commands'],
        params: execParamsSchema,
        body: execSignalSchema,
        response: { ...errors(...wakingErrors), 204: noBody('The signal was sent') },
      },
    },
    async (request, reply) => {
      const { id, execId } = request.params;
      const { vm, signal } = await useVm(services, request, reply, id);
      const { body } = await host.pass(
        {
          method: 'POST',
          vmId: vm.id,
          path: `exec/${execId}/signal`,
          body: JSON.stringify(request.body),
        },
        { signal, requestId: request.id },
      );
      body.resume();
      return reply.code(204).send();
    },
  );

  app.register(async (scope: App) => {
    acceptBytes(scope);
    scope.put(
      '/api/vms/:id/exec/:execId/stdin',
      {
        config: { budget: 'streams' },
        schema: {
          summary: 'Write to the standard input of a command',
          description: 'The bytes of the body, as they come; the end of the body closes the input.',
          tags: ['commands'],
          consumes: ['application/octet-stream'],
          params: execParamsSchema,
          body: bytesSchema,
          response: { ...errors(...wakingErrors), 204: noBody('All bytes were written') },
        },
      },
      async (request, reply) => {
        const { id, execId } = request.params;
        const { vm, signal } = await useVm(services, request, reply, id);
        const { body } = await host.pass(
          {
            method: 'PUT',
            vmId: vm.id,
            path: `exec/${execId}/stdin`,
            body: request.body instanceof Readable ? request.body : '',
            contentType: 'application/octet-stream',
          },
          { signal, requestId: request.id },
        );
        body.resume();
        return reply.code(204).send();
      },
    );
  });
}
