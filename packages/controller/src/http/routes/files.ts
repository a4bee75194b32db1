import { filePathQuerySchema, fileWriteQuerySchema, fileWrittenSchema, parseWith } from '@hearth/contract';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import type { Services } from '../services.ts';
import { caller, clientSignal } from '../access.ts';
import { answer, bytesSchema, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { acceptBytes } from '../raw-body.ts';
import { readyVm } from '../ready-vm.ts';
import { insideErrors } from './commands.ts';
import { vmParamsSchema } from './vms.ts';

export function fileRoutes(app: App, { vms, host, stopping }: Services): void {
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
          ...errors(...insideErrors, 'file_not_found', 'file_failed'),
          200: answer('The file', bytesSchema, 'application/octet-stream'),
        },
      },
    },
    async (request, reply) => {
      const vm = await readyVm(vms, caller(request), request.params.id);
      const { body, contentLength } = await host.pass(
        { method: 'GET', vmId: vm.id, path: 'files', query: { path: request.query.path } },
        { signal: clientSignal(reply, stopping), requestId: request.id },
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
            ...errors(...insideErrors, 'file_failed'),
            200: answer('The file is written', fileWrittenSchema),
          },
        },
      },
      async (request, reply) => {
        const vm = await readyVm(vms, caller(request), request.params.id);
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
          { signal: clientSignal(reply, stopping), requestId: request.id },
        );
        return parseWith(fileWrittenSchema, await json(body), 'internal', 'answer of the host daemon');
      },
    );
  });
}
