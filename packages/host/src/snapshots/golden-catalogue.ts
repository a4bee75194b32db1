import { uptime } from 'node:os';
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
import { isOfSize, unfitReasons, type WantedGolden } from './fitness.ts';
import { listSnapshots, markInvalid, snapshotBytes, type StoredSnapshot } from './snapshot-store.ts';
import { isUntouched, lastVerifiedMs } from './wholeness.ts';

/** A day. */
const RECENT_MS = 24 * 3600_000;

type WantedOfImage = WantedGolden & { imageId: ImageId };

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
  /** Is there one that fits and is whole? Unlike `find`, waits while files that changed are hashed. */
  has(wanted: WantedOfImage): Promise<boolean>;
  list(clonesOf: (id: SnapshotId) => number): Promise<Snapshot[]>;
  /**
   * Hashes all that fit, one after the other, unless that was done lately: a disk decays without a trace, and the machine's start
   * emptied the page cache. What is damaged is marked, never thrown.
   */
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
  /** The newest that fits comes first. */
  const fitting = async ({ imageId, ...wanted }: WantedOfImage): Promise<StoredSnapshot[]> => {
    const candidates = (await listSnapshots(store)).filter(
      ({ manifest, damage }) => damage === null && manifest.imageId === imageId && isOfSize(manifest, wanted),
    );
    if (candidates.length === 0) return [];
    const here = await machine();
    if (here === null) return [];
    const manifestOfImage = await image(imageId);
    return candidates.filter(({ manifest }) => unfitReasons(manifest, here, manifestOfImage).length === 0);
  };
  const judge = async ({
    manifest,
    paths,
    damage,
  }: StoredSnapshot): Promise<Pick<Snapshot, 'status' | 'detail'>> => {
    if (damage !== null) return { status: 'invalid', detail: damage };
    const here = await machine();
    if (here === null) return { status: 'stale', detail: 'the VMM of this host restores no snapshots' };
    const reasons = unfitReasons(manifest, here, await currentImage());
    if (reasons.length > 0) return { status: 'stale', detail: reasons.join('; ') };
    if (!(await isUntouched(paths))) return { status: 'stale', detail: 'its files are being hashed again' };
    return { status: 'ready', detail: '' };
  };

  return {
    find: async (wanted) => {
      for (const { manifest, paths } of await fitting(wanted)) {
        if (await isUntouched(paths)) return { manifest };
        // Takes longer than to boot the image, which serves meanwhile.
        isWhole(manifest.id).catch((error: unknown) =>
          log('a golden snapshot could not be hashed', {
            ...{ layer: 'snapshot', snapshotId: manifest.id, error: String(error) },
          }),
        );
      }
      return null;
    },
    has: async (wanted) => {
      for (const { manifest, paths } of await fitting(wanted))
        if ((await isUntouched(paths)) || (await isWhole(manifest.id))) return true;
      return false;
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
      const since = Math.max(Date.now() - RECENT_MS, Date.now() - uptime() * 1000);
      const { id } = await currentImage();
      for (const { manifest, paths } of await listSnapshots(store)) {
        signal.throwIfAborted();
        const fits = (await fitting({ ...manifest, imageId: id })).some(
          (one) => one.manifest.id === manifest.id,
        );
        if (fits && (await lastVerifiedMs(paths)) < since) await isWhole(manifest.id);
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
