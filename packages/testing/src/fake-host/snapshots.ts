import {
  HearthError,
  parseConfig,
  snapshotIdSchema,
  type RemovedSnapshot,
  type Snapshot,
  type SnapshotId,
  type SnapshotList,
  type VmKind,
} from '@hearth/contract';
import type { FakeHostScript, Machines } from './machines.ts';

const BYTES = 1_000_000;
const idOf: Readonly<Record<VmKind, SnapshotId>> = {
  cli: snapshotIdSchema.parse('snp-00000000000c'),
  browser: snapshotIdSchema.parse('snp-00000000000b'),
};

/** The golden snapshots that the script tells of, in the default sizes. */
export interface Snapshots {
  list(): SnapshotList;
  remove(id: SnapshotId): RemovedSnapshot;
}

export function createSnapshots(script: FakeHostScript, machines: Machines): Snapshots {
  const { vms } = parseConfig({}, {});
  const clonesOf = (kind: VmKind): number =>
    machines.list().filter((vm) => vm.kind === kind && vm.origin === 'snapshot').length;
  const snapshotOf = (kind: VmKind): Snapshot => ({
    id: idOf[kind],
    createdAt: '2026-01-01T00:00:00.000Z',
    kind,
    cpus: Math.min(vms[kind].cpus, script.cpus),
    memMiB: vms[kind].memMiB,
    diskMiB: vms[kind].diskMiB,
    imageId: script.imageId,
    bytes: BYTES,
    status: 'ready',
    detail: '',
    clones: clonesOf(kind),
  });
  return {
    list: () => ({ snapshots: script.goldenKinds.map(snapshotOf), making: null }),
    remove: (id) => {
      const kind = script.goldenKinds.find((one) => idOf[one] === id);
      if (kind === undefined) throw new HearthError('not_found', `there is no snapshot ${id}`);
      const clones = clonesOf(kind);
      if (clones > 0) throw new HearthError('snapshot_in_use', `${clones} VMs were cloned from ${id}`);
      script.goldenKinds = script.goldenKinds.filter((one) => one !== kind);
      return { id, freedBytes: BYTES };
    },
  };
}
