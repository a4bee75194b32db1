import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HearthError, type ImageEvent, type Log, type SnapshotId } from '@hearth/contract';
import { runInRoom } from '../images/gate/run-in-room.ts';
import { openStore } from '../images/image-store.ts';
import { removeLeftovers } from '../images/leftovers.ts';
import { lockStore } from '../images/store-lock.ts';

export interface RunMakerOptions {
  store: string;
  /** Program and arguments, told the name of the room, that run `snapshot-inside` of this project. */
  inside: (room: string) => readonly string[];
  signal: AbortSignal;
  emit: (event: ImageEvent) => void;
  log: Log;
}

/** Makes a golden snapshot in a room of its own; one maker at a time in a store. */
export async function runMaker({
  store,
  inside,
  signal,
  emit,
  log,
}: RunMakerOptions): Promise<{ id: SnapshotId; reused: boolean }> {
  const { snapshots, snapshotsLock } = await openStore(store);
  const lock = await lockStore(snapshotsLock, signal, () =>
    emit({ type: 'message', text: 'another snapshot is being made; waiting for it to end' }),
  );
  try {
    await sweepSnapshots(snapshots);
    let made: Extract<ImageEvent, { type: 'snapshot' }> | null = null;
    await runInRoom({
      ...{ store, inside, signal, log, code: 'snapshot_failed' },
      emit: (event) => {
        if (event.type === 'snapshot') made = event;
        else emit(event);
      },
    });
    const told = made as Extract<ImageEvent, { type: 'snapshot' }> | null;
    if (told === null) throw new HearthError('snapshot_failed', 'its maker ended without a word of one');
    return { id: told.snapshotId, reused: told.reused };
  } finally {
    await lock.release();
  }
}

/** What dead makers and removals that were cut off left. Only under the lock. */
async function sweepSnapshots(folder: string): Promise<void> {
  await removeLeftovers(folder);
  for (const name of await readdir(folder))
    if (name.startsWith('.removing-')) await rm(join(folder, name), { recursive: true, force: true });
}
