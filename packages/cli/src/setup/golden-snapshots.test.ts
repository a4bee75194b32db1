import type { Snapshot, VmKind } from '@hearth/contract';
import { expect, test } from 'vitest';
import { missingSnapshotsInWords } from './golden-snapshots.ts';

const snapshot = (kind: VmKind, status: Snapshot['status']): Snapshot => ({ kind, status }) as Snapshot;

test('says which kinds boot cold until their snapshot is made, and nothing once all are', () => {
  expect(missingSnapshotsInWords({ snapshots: [], making: null })).toBe(
    'Golden snapshots are being made; VMs boot cold until then.',
  );
  const some = [snapshot('cli', 'ready'), snapshot('browser', 'stale')];
  expect(missingSnapshotsInWords({ snapshots: some, making: 'browser: searching for secrets' })).toBe(
    'Golden snapshots are being made (browser: searching for secrets); browser VMs boot cold until then.',
  );
  const all = [snapshot('cli', 'ready'), snapshot('browser', 'ready')];
  expect(missingSnapshotsInWords({ snapshots: all, making: null })).toBeNull();
});
