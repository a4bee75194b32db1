import {
  HearthError,
  type Check,
  type ImageId,
  type ImageManifest,
  type Log,
  type Snapshot,
  type SnapshotId,
  type SnapshotMachine,
} from '@hearth/contract';
import type { GoldenSource } from '../vms/ports.ts';
import { isOfSize, unfitReasons } from './fitness.ts';
import { listSnapshots, markInvalid, snapshotBytes, type StoredSnapshot } from './snapshot-store.ts';
import { isUntouched } from './wholeness.ts';

export interface CatalogueOptions {
  store: string;
  image: (id: ImageId) => Promise<ImageManifest>;
  currentImage: () => Promise<ImageManifest>;
  /** null where this machine's VMM can't restore any. Asked once: a host daemon that goes on keeps its VMM. */
  machine: () => Promise<SnapshotMachine | null>;
  /** Hashes a snapshot's files and remembers them as whole. Throws snapshot_invalid. */
  verify: (id: SnapshotId) => Promise<void>;
  log: Log;
}

/** The golden snapshots of the store, as this host may use them. The store is read each time: other Hearths make and remove them, too. */
export interface GoldenCatalogue extends GoldenSource {
  list(clonesOf: (id: SnapshotId) => number): Promise<Snapshot[]>;
  /** Hashes all that are ready, one after the other. What is damaged is marked, never thrown. */
  verifyAll(signal: AbortSignal): Promise<void>;
  check(): Promise<Check>;
  /** Calls back when one was found damaged or was refused. */
  onInvalid(listener: () => void): void;
}

export function createGoldenCatalogue(options: CatalogueOptions): GoldenCatalogue {
  const { store, image, currentImage, verify, log } = options;
  /** Hashing under way: several VMs that start at once wait for the same one. */
  const verifying = new Map<SnapshotId, Promise<boolean>>();
  const listeners: (() => void)[] = [];
  let known: Promise<SnapshotMachine | null> | null = null;
  const machine = async (): Promise<SnapshotMachine | null> => {
    known ??= options.machine().catch((error: unknown) => {
      known = null;
      throw error;
    });
    return await known;
  };

  const condemn = async (id: SnapshotId, reason: string): Promise<void> => {
    log('a golden snapshot is not used any more', { layer: 'snapshot', snapshotId: id, reason });
    await markInvalid(store, id, reason);
    for (const listener of listeners) listener();
  };
  const hash = async (id: SnapshotId): Promise<boolean> => {
    try {
      await verify(id);
      return true;
    } catch (error) {
      if (!(error instanceof HearthError) || error.code !== 'snapshot_invalid') throw error;
      await condemn(id, error.detail);
      return false;
    }
  };
  const isWhole = async (id: SnapshotId): Promise<boolean> => {
    const underWay = verifying.get(id) ?? hash(id).finally(() => verifying.delete(id));
    verifying.set(id, underWay);
    return await underWay;
  };
  const judge = async ({
    manifest,
    damage,
  }: StoredSnapshot): Promise<Pick<Snapshot, 'status' | 'detail'>> => {
    if (damage !== null) return { status: 'invalid', detail: damage };
    const here = await machine();
    if (here === null) return { status: 'stale', detail: 'the VMM of this host restores no snapshots' };
    const reasons = unfitReasons(manifest, here, await currentImage());
    return { status: reasons.length === 0 ? 'ready' : 'stale', detail: reasons.join('; ') };
  };

  return {
    find: async ({ imageId, ...wanted }) => {
      const candidates = (await listSnapshots(store)).filter(
        ({ manifest, damage }) =>
          damage === null && manifest.imageId === imageId && isOfSize(manifest, wanted),
      );
      if (candidates.length === 0) return null;
      const here = await machine();
      if (here === null) return null;
      const manifestOfImage = await image(imageId);
      for (const { manifest, paths } of candidates) {
        if (unfitReasons(manifest, here, manifestOfImage).length > 0) continue;
        if ((await isUntouched(paths)) || (await isWhole(manifest.id))) return { manifest };
      }
      return null;
    },
    reject: (id, reason) => {
      condemn(id, `the VMM refused it: ${reason}`).catch((error: unknown) =>
        log('a refused snapshot could not be marked', {
          layer: 'snapshot',
          snapshotId: id,
          error: String(error),
        }),
      );
    },
    list: async (clonesOf) =>
      await Promise.all(
        (await listSnapshots(store)).map(async (stored): Promise<Snapshot> => {
          const { id, createdAt, kind, cpus, memMiB, diskMiB, imageId } = stored.manifest;
          return {
            ...{ id, createdAt, kind, cpus, memMiB, diskMiB, imageId },
            ...(await judge(stored)),
            bytes: await snapshotBytes(stored.paths),
            clones: clonesOf(id),
          };
        }),
      ),
    verifyAll: async (signal) => {
      for (const stored of await listSnapshots(store)) {
        signal.throwIfAborted();
        if ((await judge(stored)).status === 'ready') await isWhole(stored.manifest.id);
      }
    },
    check: async () => {
      const all = await listSnapshots(store);
      const damaged = all.find(({ damage }) => damage !== null);
      return {
        name: 'snapshots',
        ok: damaged === undefined,
        detail:
          damaged === undefined
            ? `${all.length} golden ${all.length === 1 ? 'snapshot' : 'snapshots'}`
            : `${damaged.manifest.id}: ${damaged.damage ?? ''}`,
      };
    },
    onInvalid: (listener) => listeners.push(listener),
  };
}
