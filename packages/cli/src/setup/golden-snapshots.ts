import { vmKinds, type SnapshotList } from '@hearth/contract';

/** What `up` says of golden snapshots that the host daemon still makes in the background; null where none is missing. */
export function missingSnapshotsInWords({ snapshots, making }: SnapshotList): string | null {
  const missing = vmKinds.filter(
    (kind) => !snapshots.some((snapshot) => snapshot.kind === kind && snapshot.status === 'ready'),
  );
  if (missing.length === 0) return null;
  const which = missing.length === vmKinds.length ? 'VMs' : `${missing.join(' and ')} VMs`;
  return `Golden snapshots are being made${making === null ? '' : ` (${making})`}; ${which} boot cold until then.`;
}
