import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  imageIdSchema,
  snapshotIdSchema,
  type ImageManifest,
  type SnapshotMachine,
  type SnapshotManifest,
} from '@hearth/contract';
import { hashFile } from '../images/content-hash.ts';
import { openStore, writeJson } from '../images/image-store.ts';
import { kernelHash } from './fitness.ts';
import { snapshotFolder, snapshotPaths, type StoredSnapshot } from './snapshot-store.ts';
import { rememberVerified, takeFingerprints } from './wholeness.ts';

const { signal } = new AbortController();
const SHA = 'a'.repeat(64);
const file = { path: '/x', sha256: SHA, bytes: 1 };

export const testMachine: SnapshotMachine = {
  vmm: { name: 'qemu', version: '7.2' },
  ...{ accelerator: 'tcg', model: 'microvm max', processor: 'any', tscKhz: 2_500_000 },
};

export const testImage: ImageManifest = {
  ...{ id: imageIdSchema.parse('img-aaaaaaaaaaaa'), createdAt: '2026-01-01T00:00:00Z', suite: 'bookworm' },
  ...{ arch: 'x86_64', kernel: { ...file, release: '6.1' }, initrd: file, packages: [], tools: [] },
  layers: [{ ...file, role: 'base' }],
  ...{ agent: { version: '1', sha256: SHA }, capabilities: [], totalBytes: 1 },
};

/** Puts a snapshot of small files into a store, as a maker would have. */
export async function addSnapshot(
  store: string,
  digits: string,
  more: Partial<SnapshotManifest> = {},
): Promise<StoredSnapshot> {
  await openStore(store);
  const id = snapshotIdSchema.parse(`snp-${digits.padEnd(12, '0')}`);
  const paths = snapshotPaths(snapshotFolder(store, id));
  await mkdir(paths.folder);
  const content = async (name: 'memory' | 'state' | 'upper') => {
    const text = `${name} of ${id}`;
    await writeFile(paths[name], text);
    return { path: paths[name], sha256: await hashFile(paths[name], signal), bytes: text.length };
  };
  const manifest: SnapshotManifest = {
    ...{
      id,
      createdAt: '2026-02-01T00:00:00Z',
      kind: 'cli',
      cpus: 2,
      memMiB: 2048,
      diskMiB: 16_384,
      desktop: null,
    },
    ...{
      imageId: testImage.id,
      kernelSha256: kernelHash(testImage),
      agentVersion: '1',
      machine: testMachine,
    },
    ...{ memory: await content('memory'), state: await content('state'), upper: await content('upper') },
    search: { bytes: 1, needles: 0, controls: 1 },
    ...more,
  };
  await writeJson(paths.manifest, manifest);
  await rememberVerified(paths, await takeFingerprints(paths));
  return { manifest, paths, damage: null };
}

/** A folder of the store holds an image of that id. */
export async function addImage(store: string, image: ImageManifest = testImage): Promise<void> {
  const { images } = await openStore(store);
  await mkdir(join(images, image.id));
  await writeJson(join(images, image.id, 'manifest.json'), image);
}
