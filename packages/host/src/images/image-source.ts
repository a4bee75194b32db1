import { HearthError, type ImageId, type ImageManifest, type Progress } from '@hearth/contract';
import { readCurrentImage, readGate, readImage } from './image-store.ts';
import { makeUpperTemplate } from './upper-template.ts';

/** What the rest of the host needs of the image store. */
export interface StoredImages {
  /** The newest image that passed its gate. Throws image_missing. */
  current(): Promise<ImageManifest>;
  /** That image, if it passed its gate. Throws image_missing. */
  gated(id: ImageId): Promise<ImageManifest>;
  /** Any image, gated or not: VMs that run already, and the gate itself. Throws image_missing. */
  byId(id: ImageId): Promise<ImageManifest>;
  /** Path of an empty file system to be copied sparsely; made where it isn't there yet. */
  upperTemplate(sizeMiB: number, progress: Progress): Promise<string>;
}

export function openImageSource(store: string): StoredImages {
  return {
    current: () => readCurrentImage(store),
    gated: async (id) => {
      const gate = await readGate(store, id);
      if (gate?.status !== 'passed')
        throw new HearthError('image_missing', `image ${id} has not passed its gate in ${store}`);
      return readStored(store, id);
    },
    byId: (id) => readStored(store, id),
    upperTemplate: (sizeMiB, progress) => makeUpperTemplate(store, sizeMiB, progress.signal),
  };
}

async function readStored(store: string, id: ImageId): Promise<ImageManifest> {
  try {
    return await readImage(store, id);
  } catch (cause) {
    if (!(cause instanceof HearthError) || cause.code !== 'not_found') throw cause;
    throw new HearthError('image_missing', cause.detail, { cause });
  }
}
