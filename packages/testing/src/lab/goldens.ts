import { setTimeout as pause } from 'node:timers/promises';
import { snapshotListSchema, type Snapshot, type SnapshotList, type VmKind } from '@hearth/contract';
import type { HearthLab } from './hearth-lab.ts';

/** The API allows each user so many requests and no more. */
const POLL_MS = 2000;
/** The first one on a machine boots a VM and searches its memory. */
const MAKE_TIMEOUT_MS = 900_000;

export async function listSnapshots(lab: HearthLab): Promise<SnapshotList> {
  const answer = await lab.fetch('/api/snapshots');
  if (!answer.ok) throw new Error(`GET /api/snapshots: ${answer.status} ${await answer.text()}`);
  return snapshotListSchema.parse(await answer.json());
}

/**
 * Waits until new VMs of these kinds start from golden snapshots; gives those. They lie in the image store, so only the first
 * lab on a machine waits long. For a lab with `vms.snapshots.golden`.
 */
export async function waitForGoldens(
  lab: HearthLab,
  kinds: readonly VmKind[] = ['cli', 'browser'],
  timeoutMs = MAKE_TIMEOUT_MS,
): Promise<Snapshot[]> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const { snapshots, making } = await listSnapshots(lab);
    const ready = kinds.flatMap((kind) => {
      const found = snapshots.find((snapshot) => snapshot.kind === kind && snapshot.status === 'ready');
      return found === undefined ? [] : [found];
    });
    if (ready.length === kinds.length) return ready;
    if (performance.now() > endMs)
      throw new Error(
        `no golden snapshot of ${kinds.join(', ')} within ${timeoutMs} ms (making: ${making ?? 'nothing'})\n` +
          JSON.stringify(snapshots, null, 2),
      );
    await pause(POLL_MS);
  }
}
