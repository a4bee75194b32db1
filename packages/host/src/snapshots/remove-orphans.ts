import { HearthError, type Log } from '@hearth/contract';
import { readImage } from '../images/image-store.ts';
import { listSnapshots, removeSnapshot } from './snapshot-store.ts';

/** Removes the snapshots of images that are gone: nothing can be cloned from them. Those in use stay. */
export async function removeOrphans(store: string, log: Log): Promise<void> {
  for (const { manifest } of await listSnapshots(store)) {
    try {
      if (await hasImage(store, manifest.imageId)) continue;
      const freedBytes = await removeSnapshot(store, manifest.id);
      log('a golden snapshot of an image that is gone was removed', {
        ...{ layer: 'snapshot', snapshotId: manifest.id, imageId: manifest.imageId, freedBytes },
      });
    } catch (error) {
      // Another Hearth was faster, or still runs clones of it.
      if (!(error instanceof HearthError) || !['not_found', 'snapshot_in_use'].includes(error.code))
        throw error;
    }
  }
}

async function hasImage(store: string, id: string): Promise<boolean> {
  try {
    await readImage(store, id);
    return true;
  } catch (error) {
    if (error instanceof HearthError && error.code === 'not_found') return false;
    throw error;
  }
}
