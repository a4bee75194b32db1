import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HearthError } from '@hearth/contract';
import { findHolder } from '../exec/file-holders.ts';
import { goldenFiles, listSnapshots, removeSnapshot } from '../snapshots/snapshot-store.ts';
import { findBaseLayer } from './base-layer.ts';
import { allocatedBytes, openStore, readImage } from './image-store.ts';
import { lockStore } from './store-lock.ts';

/** Removes an image, its golden snapshots, and the layers that no other image uses. Returns the bytes freed. Throws image_in_use. */
export async function removeImage(
  store: string,
  id: string,
  signal: AbortSignal,
  onWait: () => void,
): Promise<number> {
  const paths = await openStore(store);
  const lock = await lockStore(paths.lock, signal, onWait);
  try {
    const { id: imageId, layers, kernel, initrd } = await readImage(store, id);
    const used = new Set<string>();
    for (const other of await readdir(paths.images)) {
      if (other === imageId) continue;
      for (const layer of (await readImage(store, other)).layers) used.add(layer.path);
    }
    const orphans = layers.filter(({ path }) => !used.has(path));
    const files = orphans.flatMap(({ role, path }) =>
      role === 'base' ? [path, kernel.path, initrd.path] : [path],
    );
    // A layer that other images share may be open on their account; only where all are shared can't we tell.
    const telling = orphans.length > 0 ? orphans : layers;
    const holder = await findHolder(new Set(telling.map(({ path }) => path)));
    if (holder !== null) throw new HearthError('image_in_use', `process ${holder} has a layer of ${id} open`);
    const snapshots = (await listSnapshots(store)).filter(({ manifest }) => manifest.imageId === imageId);
    const clone = await findHolder(
      new Set(snapshots.flatMap(({ paths }) => goldenFiles.map((name) => paths[name]))),
    );
    if (clone !== null)
      throw new HearthError('image_in_use', `process ${clone} runs from a golden snapshot of ${id}`);
    let freed = 0;
    for (const { manifest } of snapshots) freed += await removeSnapshot(store, manifest.id);
    for (const file of files) freed += await allocatedBytes(file);
    // The manifest first: from then on nobody starts from it.
    await rm(join(paths.images, imageId), { recursive: true });
    for (const { path } of orphans) await rm(join(path, '..'), { recursive: true });
    for (const inputs of await readdir(paths.inputs)) {
      const folder = join(paths.inputs, inputs);
      const base = await findBaseLayer(paths, inputs);
      if (base !== null && orphans.some(({ path }) => path === base.layer.path))
        await rm(folder, { recursive: true });
    }
    return freed;
  } finally {
    await lock.release();
  }
}
