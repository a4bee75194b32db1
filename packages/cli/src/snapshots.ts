import {
  HearthError,
  removedSnapshotSchema,
  snapshotIdSchema,
  snapshotListSchema,
  type Snapshot,
  type SnapshotId,
} from '@hearth/contract';
import { withApi, type CommonOptions } from './context.ts';
import { formatAge, formatBytes } from './terminal/duration.ts';
import type { Paint } from './terminal/output.ts';
import { renderTable } from './terminal/table.ts';

export async function listSnapshots(options: CommonOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const list = await api.get(snapshotListSchema, '/api/snapshots', { signal });
    if (out.json) {
      out.value(list);
      return;
    }
    if (list.snapshots.length > 0) out.line(renderSnapshots(list.snapshots, Date.now(), out.paint));
    if (list.making !== null) out.note(list.making);
    else if (list.snapshots.length === 0)
      out.note('There is no golden snapshot, and none is to be made: VMs boot from the image.');
  });
}

export async function removeSnapshot(text: string, options: CommonOptions): Promise<void> {
  const id = parseSnapshotId(text);
  await withApi(options, async (api, { out, signal }) => {
    const removed = await api.call('DELETE', removedSnapshotSchema, `/api/snapshots/${id}`, { signal });
    if (out.json) out.value(removed);
    else out.line(`${removed.id} removed, ${formatBytes(removed.freedBytes)} freed`);
  });
}

function parseSnapshotId(text: string): SnapshotId {
  const parsed = snapshotIdSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new HearthError(
    'bad_request',
    `"${text}" is not the id of a snapshot: expected snp- and 12 hex digits`,
    { hint: '`hearth snapshot ls` lists the ids.' },
  );
}

export function renderSnapshots(snapshots: readonly Snapshot[], nowMs: number, paint: Paint): string {
  return renderTable(
    ['ID', 'KIND', 'STATUS', 'SIZE', 'ON DISK', 'CLONES', 'IMAGE', 'AGE', 'WHY'],
    snapshots.map((snapshot) => [
      snapshot.id,
      snapshot.kind,
      paintStatus(snapshot.status, paint),
      `${snapshot.cpus} CPU, ${snapshot.memMiB} MiB`,
      formatBytes(snapshot.bytes),
      String(snapshot.clones),
      snapshot.imageId,
      formatAge(snapshot.createdAt, nowMs),
      snapshot.status === 'ready' ? '' : snapshot.detail,
    ]),
  );
}

function paintStatus(status: Snapshot['status'], paint: Paint): string {
  if (status === 'ready') return paint.good(status);
  return status === 'invalid' ? paint.bad(status) : paint.warn(status);
}
