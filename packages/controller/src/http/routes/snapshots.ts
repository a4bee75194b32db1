import { removedSnapshotSchema, snapshotIdSchema, snapshotListSchema } from '@hearth/contract';
import { z } from 'zod';
import { clientSignal } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import type { Services } from '../services.ts';

const snapshotErrors = ['unauthenticated', 'forbidden', 'host_unreachable', 'deadline_exceeded'] as const;

export function snapshotRoutes(app: App, { host, stopping }: Services): void {
  app.get(
    '/api/snapshots',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'List golden snapshots',
        description:
          'What new VMs start from, what is stale or damaged, and what is being made. For administrators.',
        tags: ['system'],
        response: { ...errors(...snapshotErrors), 200: answer('The snapshots', snapshotListSchema) },
      },
    },
    async (request, reply) =>
      host.snapshots({ signal: clientSignal(reply, stopping), requestId: request.id }),
  );

  app.delete(
    '/api/snapshots/:id',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Delete a golden snapshot',
        description: 'Not while a VM that was cloned from it lives. For administrators.',
        tags: ['system'],
        params: z.strictObject({ id: snapshotIdSchema }),
        response: {
          ...errors(...snapshotErrors, 'not_found', 'snapshot_in_use'),
          200: answer('It is gone', removedSnapshotSchema),
        },
      },
    },
    async (request, reply) =>
      host.removeSnapshot(request.params.id, {
        signal: clientSignal(reply, stopping),
        requestId: request.id,
      }),
  );
}
