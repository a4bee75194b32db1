import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  HearthError,
  parseWith,
  snapshotIdSchema,
  snapshotManifestSchema,
  type SnapshotId,
  type SnapshotManifest,
} from '@hearth/contract';
import { z } from 'zod';
import { findHolder } from '../exec/file-holders.ts';
import { allocatedBytes, storePaths, writeJson } from '../images/image-store.ts';
import { isMissing } from '../images/missing-file.ts';

/** The files of a snapshot whose content the manifest vouches for. */
export const goldenFiles = ['memory', 'state', 'upper'] as const;
export type GoldenFile = (typeof goldenFiles)[number];

export interface SnapshotPaths extends Record<GoldenFile, string> {
  folder: string;
  manifest: string;
  /** Fingerprints of the files when they were last hashed and found whole. */
  verified: string;
  /** There once the snapshot was found damaged or refused by the VMM; it is not used again. */
  invalid: string;
}

export interface StoredSnapshot {
  manifest: SnapshotManifest;
  paths: SnapshotPaths;
  /** Why it must not be used; null where nothing is known against it. */
  damage: string | null;
}

const invalidSchema = z.object({ reason: z.string() });

/** Every path of a snapshot comes from here. */
export function snapshotPaths(folder: string): SnapshotPaths {
  return {
    folder,
    manifest: join(folder, 'manifest.json'),
    memory: join(folder, 'memory'),
    state: join(folder, 'state'),
    upper: join(folder, 'upper.ext4'),
    verified: join(folder, 'verified.json'),
    invalid: join(folder, 'invalid.json'),
  };
}

export const snapshotFolder = (store: string, id: SnapshotId): string =>
  join(storePaths(store).snapshots, id);

/** A snapshot of the store. Throws not_found. */
export async function readSnapshot(store: string, id: string): Promise<StoredSnapshot> {
  const snapshotId = snapshotIdSchema.safeParse(id);
  if (!snapshotId.success) throw new HearthError('not_found', `${id} is not the id of a snapshot`);
  const paths = snapshotPaths(snapshotFolder(store, snapshotId.data));
  try {
    const text = await readFile(paths.manifest, 'utf8');
    const manifest = parseWith(snapshotManifestSchema, JSON.parse(text), 'internal', paths.manifest);
    return { manifest, paths, damage: await readDamage(paths.invalid) };
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new HearthError('not_found', `there is no snapshot ${id} in ${store}`, { cause });
  }
}

/** All snapshots, the newest first. */
export async function listSnapshots(store: string): Promise<StoredSnapshot[]> {
  const found: StoredSnapshot[] = [];
  for (const name of await namesIn(storePaths(store).snapshots)) {
    if (!snapshotIdSchema.safeParse(name).success) continue;
    try {
      found.push(await readSnapshot(store, name));
    } catch (error) {
      // Removed while we looked.
      if (!(error instanceof HearthError && error.code === 'not_found')) throw error;
    }
  }
  return found.sort((a, b) => b.manifest.createdAt.localeCompare(a.manifest.createdAt));
}

/** From now on no Hearth of this machine restores it. */
export async function markInvalid(store: string, id: SnapshotId, reason: string): Promise<void> {
  try {
    await writeJson(snapshotPaths(snapshotFolder(store, id)).invalid, { reason });
  } catch (error) {
    // Removed meanwhile: then nobody restores it either.
    if (!isMissing(error)) throw error;
  }
}

/** Bytes that it takes on the disk. */
export async function snapshotBytes(paths: SnapshotPaths): Promise<number> {
  const sizes = await Promise.all(
    [...goldenFiles.map((name) => paths[name]), paths.manifest].map(allocatedBytesIfThere),
  );
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** Removes a snapshot. Returns the bytes freed. Throws not_found, and snapshot_in_use while a process has one of its files open. */
export async function removeSnapshot(store: string, id: string): Promise<number> {
  const { manifest, paths } = await readSnapshot(store, id);
  refuseWhereHeld(manifest.id, await findHolder(filesIn(paths)));
  // Out of reach first, so that nobody opens it between the last look and the removal.
  const aside = snapshotPaths(join(paths.folder, '..', `.removing-${id}`));
  await rename(paths.folder, aside.folder);
  const holder = await findHolder(filesIn(aside));
  if (holder !== null) {
    await rename(aside.folder, paths.folder);
    refuseWhereHeld(manifest.id, holder);
  }
  const freedBytes = await snapshotBytes(aside);
  await rm(aside.folder, { recursive: true, force: true });
  return freedBytes;
}

/** Puts a finished folder in the place of a snapshot, of which one that is there was found damaged. */
export async function publishSnapshot(store: string, folder: string, id: SnapshotId): Promise<void> {
  const target = snapshotFolder(store, id);
  const damaged = join(folder, '..', `.removing-${id}`);
  await rm(damaged, { recursive: true, force: true });
  try {
    await rename(target, damaged);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await rename(folder, target);
  // Its clones keep what they have open.
  await rm(damaged, { recursive: true, force: true });
}

export async function openSnapshots(store: string): Promise<string> {
  const { snapshots } = storePaths(store);
  await mkdir(snapshots, { recursive: true, mode: 0o755 });
  return snapshots;
}

const filesIn = (paths: SnapshotPaths): Set<string> => new Set(goldenFiles.map((name) => paths[name]));

function refuseWhereHeld(id: SnapshotId, holder: number | null): void {
  if (holder !== null) throw new HearthError('snapshot_in_use', `process ${holder} has ${id} open`);
}

async function readDamage(path: string): Promise<string | null> {
  try {
    return invalidSchema.parse(JSON.parse(await readFile(path, 'utf8'))).reason;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function allocatedBytesIfThere(path: string): Promise<number> {
  try {
    return await allocatedBytes(path);
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
