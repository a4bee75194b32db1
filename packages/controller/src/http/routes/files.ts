import { filePathQuerySchema, fileWriteQuerySchema, fileWrittenSchema, parseWith } from '@hearth/contract';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import type { Services } from '../services.ts';
import { answer, bytesSchema, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { acceptBytes } from '../raw-body.ts';
import { useVm } from '../ready-vm.ts';
import { wakingErrors } from './commands.ts';
import { vmParamsSchema } from './vms.ts';

export function fileRoutes(app: App, services: Services): void {
  const { host } = services;
  app.get(
    '/api/vms/:id/files',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Read a file of a VM',
        description: 'Its bytes.',
        tags: ['commands'],
        params: vmParamsSchema,
        querystring: filePathQuerySchema,
        response: {
          ...errors(...wakingErrors, 'file_not_found', 'file_failed'),
          200: answer('The file', bytesSchema, 'application/octet-stream'),
        },
      },
    },
    async (request, reply) => {
      const { vm, signal } = await useVm(services, request, reply, request.params.id);
      const { body, contentLength } = await host.pass(
        { method: 'GET', vmId: vm.id, path: 'files', query: { path: request.query.path } },
        { signal, requestId: request.id },
      );
      if (contentLength !== undefined) reply.header('content-length', contentLength);
      return reply.type('application/octet-stream').send(body);
    },
  );

  app.register(async (scope: App) => {
    acceptBytes(scope);
    scope.put(
      '/api/vms/:id/files',
      {
        config: { budget: 'streams' },
        schema: {
          summary: 'Write a file of a VM',
          description: 'The file appears whole or not at all. No limit but the space in the VM.',
          tags: ['commands'],
          consumes: ['application/octet-stream'],
          params: vmParamsSchema,
          querystring: fileWriteQuerySchema,
          body: bytesSchema,
          response: {
            ...errors(...wakingErrors, 'file_failed'),
            200: answer('The file is written', fileWrittenSchema),
          },
        },
      },
      async (request, reply) => {
        const { vm, signal } = await useVm(services, request, reply, request.params.id);
        const { path, mode, user } = request.query;
        const { body } = await host.pass(
          {
            method: 'PUT',
            vmId: vm.id,
            path: 'files',
            query: { path, mode, user },
            body: request.body instanceof Readable ? request.body : '',
            contentType: 'application/octet-stream',
          },
          { signal, requestId: request.id },
        );
        return parseWith(fileWrittenSchema, await json(body), 'internal', 'answer of the host daemon');
      },
    );
  });
}
