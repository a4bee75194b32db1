import {
  parseWith,
  snapshotIdSchema,
  type RemovedSnapshot,
  type SnapshotId,
  type SnapshotList,
} from '@hearth/contract';
import type { FastifyInstance } from 'fastify';

export interface SnapshotRoutesDeps {
  list: () => Promise<SnapshotList>;
  /** Returns the bytes freed. Throws not_found, snapshot_in_use. */
  remove: (id: SnapshotId) => Promise<number>;
}

/** GET /v1/snapshots and DELETE /v1/snapshots/:id. */
export function addSnapshotRoutes(app: FastifyInstance, { list, remove }: SnapshotRoutesDeps): void {
  app.get('/v1/snapshots', () => list());
  app.delete('/v1/snapshots/:id', async (request) => {
    const id = parseWith(
      snapshotIdSchema,
      (request.params as { id?: unknown }).id,
      'bad_request',
      'snapshot id',
    );
    return { id, freedBytes: await remove(id) } satisfies RemovedSnapshot;
  });
}
