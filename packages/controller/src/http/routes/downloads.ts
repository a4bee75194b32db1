import {
  downloadListSchema,
  downloadSchema,
  fileNameSchema,
  fileWrittenSchema,
  folderSchema,
  HearthError,
  parseWith,
  type DownloadList,
} from '@hearth/contract';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import type { Services } from '../services.ts';
import { attachment } from '../attachment.ts';
import { answer, bytesSchema, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { acceptBytes } from '../raw-body.ts';
import { useDesktop } from '../ready-vm.ts';
import { insideErrors } from './commands.ts';
import { vmParamsSchema } from './vms.ts';

/** Where the browser in the VM saves files. */
const FOLDER = '/home/hearth/Downloads';
const fileParamsSchema = vmParamsSchema.extend({ name: fileNameSchema });
const downloadErrors = [...insideErrors, 'not_a_desktop', 'file_failed'] as const;

export function downloadRoutes(app: App, services: Services): void {
  const { host } = services;
  app.get(
    '/api/vms/:id/desktop/downloads',
    {
      schema: {
        summary: 'List the Downloads of a desktop',
        description: 'Files only, newest first.',
        tags: ['desktop'],
        params: vmParamsSchema,
        response: { ...errors(...downloadErrors), 200: answer('The files', downloadListSchema) },
      },
    },
    async (request, reply) => {
      const { vm, signal } = await useDesktop(services, request, reply, request.params.id);
      try {
        const { body } = await host.pass(
          { method: 'GET', vmId: vm.id, path: 'folders', query: { path: FOLDER } },
          { signal, requestId: request.id },
        );
        return asDownloads(await json(body));
      } catch (error) {
        // The user may have removed the folder: nothing is in it then.
        if (error instanceof HearthError && error.code === 'file_not_found')
          return { files: [], truncated: false };
        throw error;
      }
    },
  );

  app.get(
    '/api/vms/:id/desktop/downloads/:name',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Download a file of a desktop',
        description: 'Its bytes, as an attachment that no browser shows or runs.',
        tags: ['desktop'],
        params: fileParamsSchema,
        response: {
          ...errors(...downloadErrors, 'file_not_found'),
          200: answer('The file', bytesSchema, 'application/octet-stream'),
        },
      },
    },
    async (request, reply) => {
      const { id, name } = request.params;
      const { vm, signal } = await useDesktop(services, request, reply, id);
      const { body, contentLength } = await host.pass(
        { method: 'GET', vmId: vm.id, path: 'files', query: { path: `${FOLDER}/${name}` } },
        { signal, requestId: request.id },
      );
      if (contentLength !== undefined) reply.header('content-length', contentLength);
      return reply
        .type('application/octet-stream')
        .header('content-disposition', attachment(name))
        .header('content-security-policy', "default-src 'none'; sandbox")
        .send(body);
    },
  );

  app.register(async (scope: App) => {
    acceptBytes(scope);
    scope.put(
      '/api/vms/:id/desktop/downloads/:name',
      {
        config: { budget: 'streams' },
        schema: {
          summary: 'Put a file into the Downloads of a desktop',
          description:
            'The file appears whole or not at all. A file of that name is kept; the answer has the name that the new one got.',
          tags: ['desktop'],
          consumes: ['application/octet-stream'],
          params: fileParamsSchema,
          body: bytesSchema,
          response: { ...errors(...downloadErrors), 201: answer('The file is there', downloadSchema) },
        },
      },
      async (request, reply) => {
        const { id, name } = request.params;
        const { vm, signal } = await useDesktop(services, request, reply, id);
        const { body } = await host.pass(
          {
            method: 'PUT',
            vmId: vm.id,
            path: 'files',
            query: { path: `${FOLDER}/${name}`, mode: '644', user: 'hearth', conflict: 'rename' },
            body: request.body instanceof Readable ? request.body : '',
            contentType: 'application/octet-stream',
          },
          { signal, requestId: request.id },
        );
        const { path, bytes } = parseWith(
          fileWrittenSchema,
          await json(body),
          'internal',
          'answer of the host daemon',
        );
        return reply.code(201).send({ name: basename(path), bytes });
      },
    );
  });
}

/** Folders are left out, and names that no download can have: a guest may make any. */
function asDownloads(answered: unknown): DownloadList {
  const { entries, truncated } = parseWith(folderSchema, answered, 'internal', 'answer of the host daemon');
  const files = entries
    .filter(({ kind, name }) => kind === 'file' && fileNameSchema.safeParse(name).success)
    .map(({ name, bytes, modifiedAtMs }) => ({
      name,
      bytes,
      modifiedAt: new Date(modifiedAtMs).toISOString(),
    }));
  return { files, truncated };
}
