import { readFile, stat } from 'node:fs/promises';
import { HearthError, type SnapshotManifest } from '@hearth/contract';
import { z } from 'zod';
import { fileFingerprint } from '../disks/file-fingerprint.ts';
import { hashSparseFile } from '../images/content-hash.ts';
import { writeJson } from '../images/image-store.ts';
import { isMissing } from '../images/missing-file.ts';
import { goldenFiles, type GoldenFile, type SnapshotPaths, type StoredSnapshot } from './snapshot-store.ts';

const verifiedSchema = z.strictObject({ memory: z.string(), state: z.string(), upper: z.string() });
export type Fingerprints = z.infer<typeof verifiedSchema>;

/** Are the files the ones that were hashed last, untouched since? Quick: reads no content. */
export async function isUntouched(paths: SnapshotPaths): Promise<boolean> {
  try {
    const known = verifiedSchema.safeParse(JSON.parse(await readFile(paths.verified, 'utf8')));
    return known.success && JSON.stringify(known.data) === JSON.stringify(await takeFingerprints(paths));
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return false;
    throw error;
  }
}

/** Hashes every file and remembers them as whole. Throws snapshot_invalid with the file and both hashes. */
export async function verifySnapshot(
  { manifest, paths }: Pick<StoredSnapshot, 'manifest' | 'paths'>,
  signal: AbortSignal,
): Promise<void> {
  let before: Fingerprints;
  try {
    // Before the hashing: what is written meanwhile must show afterwards.
    before = await takeFingerprints(paths);
    // What was cut off shows without reading anything.
    for (const name of goldenFiles) await requireSize(name, manifest, paths);
    for (const name of goldenFiles) await verifyFile(name, manifest, paths, signal);
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new HearthError('snapshot_invalid', `${manifest.id}: a file is missing`, { cause });
  }
  await rememberVerified(paths, before);
}

/** When the files were last hashed (ms since the epoch); 0: never. */
export async function lastVerifiedMs({ verified }: SnapshotPaths): Promise<number> {
  try {
    return (await stat(verified)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

export async function rememberVerified(paths: SnapshotPaths, fingerprints: Fingerprints): Promise<void> {
  await writeJson(paths.verified, fingerprints);
}

async function requireSize(
  name: GoldenFile,
  { id, ...manifest }: SnapshotManifest,
  paths: SnapshotPaths,
): Promise<void> {
  const { size } = await stat(paths[name]);
  if (size === manifest[name].bytes) return;
  throw new HearthError(
    'snapshot_invalid',
    `${id}: ${paths[name]} has ${size} bytes, it was made with ${manifest[name].bytes}`,
  );
}

async function verifyFile(
  name: GoldenFile,
  { id, ...manifest }: SnapshotManifest,
  paths: SnapshotPaths,
  signal: AbortSignal,
): Promise<void> {
  const sha256 = await hashSparseFile(paths[name], signal);
  if (sha256 === manifest[name].sha256) return;
  throw new HearthError(
    'snapshot_invalid',
    `${id}: ${paths[name]} has sha256 ${sha256}, it was made with ${manifest[name].sha256}`,
  );
}

export async function takeFingerprints(paths: SnapshotPaths): Promise<Fingerprints> {
  const [memory, state, upper] = await Promise.all(
    [paths.memory, paths.state, paths.upper].map(fileFingerprint),
  );
  return verifiedSchema.parse({ memory, state, upper });
}
