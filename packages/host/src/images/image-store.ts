import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  HearthError,
  imageGateSchema,
  imageIdSchema,
  imageManifestSchema,
  parseWith,
  type ImageGate,
  type ImageId,
  type ImageManifest,
  type ImageSummary,
} from '@hearth/contract';
import { isMissing } from './missing-file.ts';

/** Every path below a store's root; no other file puts one together. */
export interface StorePaths {
  root: string;
  /** layers/<hash>/: immutable. */
  layers: string;
  /** images/<imageId>/manifest.json, immutable, and gate.json beside it. */
  images: string;
  /** snapshots/<snapshotId>/: golden snapshots, immutable (snapshots/snapshot-store.ts). */
  snapshots: string;
  /** Held by whoever makes a golden snapshot. */
  snapshotsLock: string;
  /** Empty file systems for VMs' own disks, by size. */
  templates: string;
  logs: string;
  lock: string;
  /** How long each stage took the last time. */
  timings: string;
  /** Hash of a base layer's inputs -> hash of the layer built from them last. */
  inputs: string;
}

export function storePaths(root: string): StorePaths {
  return {
    root,
    layers: join(root, 'layers'),
    images: join(root, 'images'),
    snapshots: join(root, 'snapshots'),
    snapshotsLock: join(root, 'snapshots.lock'),
    templates: join(root, 'templates'),
    logs: join(root, 'logs'),
    lock: join(root, 'lock'),
    timings: join(root, 'timings.json'),
    inputs: join(root, 'inputs'),
  };
}

/** World-readable: the VMMs run as another user and the layers hold nothing secret. */
export async function openStore(root: string): Promise<StorePaths> {
  const paths = storePaths(root);
  try {
    const { layers, images, snapshots, templates, logs, inputs } = paths;
    for (const folder of [layers, images, snapshots, templates, logs, inputs])
      await mkdir(folder, { recursive: true, mode: 0o755 });
  } catch (cause) {
    throw new HearthError('image_build_failed', `the image store ${root} can't be made or written`, {
      cause,
    });
  }
  return paths;
}

/** Writes a small file so that a reader sees the old one or the new one, never a part. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.new-${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`);
  await rename(temporary, path);
}

export async function readImage(root: string, id: string): Promise<ImageManifest> {
  const imageId = imageIdSchema.safeParse(id);
  if (!imageId.success) throw new HearthError('not_found', `${id} is not the id of an image`);
  const path = join(storePaths(root).images, imageId.data, 'manifest.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new HearthError('not_found', `there is no image ${id} in ${root}`, { cause });
  }
  return parseWith(imageManifestSchema, JSON.parse(text), 'internal', path);
}

/** The gate's finding, or null where the gate never ran. */
export async function readGate(root: string, id: ImageId): Promise<ImageGate | null> {
  const path = join(storePaths(root).images, id, 'gate.json');
  try {
    return parseWith(imageGateSchema, JSON.parse(await readFile(path, 'utf8')), 'internal', path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

export async function writeGate(root: string, id: ImageId, gate: ImageGate): Promise<void> {
  await writeJson(join(storePaths(root).images, id, 'gate.json'), gate);
}

/** All images, the newest first. */
export async function listImages(root: string): Promise<ImageSummary[]> {
  let names: string[];
  try {
    names = await readdir(storePaths(root).images);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  const summaries = await Promise.all(
    names
      .filter((name) => imageIdSchema.safeParse(name).success)
      .map(async (name): Promise<ImageSummary> => {
        const manifest = await readImage(root, name);
        const gate = await readGate(root, manifest.id);
        return {
          id: manifest.id,
          createdAt: manifest.createdAt,
          suite: manifest.suite,
          agentVersion: manifest.agent.version,
          totalBytes: manifest.totalBytes,
          gate: gate?.status ?? 'pending',
          current: false,
        };
      }),
  );
  summaries.sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  const current = summaries.find(({ gate }) => gate === 'passed');
  if (current !== undefined) current.current = true;
  return summaries;
}

/** The newest image that passed its gate: what a new VM starts from. Throws image_missing. */
export async function readCurrentImage(root: string): Promise<ImageManifest> {
  const current = (await listImages(root)).find((image) => image.current);
  if (current === undefined)
    throw new HearthError('image_missing', `${root} holds no image that passed its gate`);
  return await readImage(root, current.id);
}

/** Bytes that a file really takes on the disk; the layers are sparse. */
export async function allocatedBytes(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}
