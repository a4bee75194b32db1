import { mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageIdSchema, type ImageGate, type ImageManifest } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  listImages,
  openStore,
  readCurrentImage,
  readGate,
  readImage,
  writeGate,
  writeJson,
} from './image-store.ts';
import { removeImage } from './remove-image.ts';
import { makeUpperTemplate } from './upper-template.ts';

const SHA = '0'.repeat(64);
const { signal } = new AbortController();
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearth-images-'));
  await openStore(root);
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function addImage(
  digits: string,
  createdAt: string,
  base: string,
  agent: string,
): Promise<ImageManifest> {
  const id = imageIdSchema.parse(`img-${digits.padEnd(12, '0')}`);
  const file = async (layer: string, name: string) => {
    const path = join(root, 'layers', layer, name);
    await mkdir(join(root, 'layers', layer), { recursive: true });
    await writeFile(path, 'x');
    return { path, sha256: SHA, bytes: 1 };
  };
  const manifest: ImageManifest = {
    ...{
      id,
      createdAt,
      suite: 'bookworm',
      arch: 'x86_64',
      packages: [],
      tools: [],
      capabilities: [],
      totalBytes: 4,
    },
    kernel: { release: '6.1', ...(await file(base, 'vmlinux')) },
    initrd: await file(base, 'initrd'),
    layers: [
      { role: 'base', ...(await file(base, 'base.ext4')) },
      { role: 'agent', ...(await file(agent, 'agent.ext4')) },
    ],
    agent: { version: '1', sha256: SHA },
  };
  await mkdir(join(root, 'images', id));
  await writeJson(join(root, 'images', id, 'manifest.json'), manifest);
  return manifest;
}

const gate = (status: ImageGate['status']): ImageGate => ({
  status,
  at: '2026-01-01T00:00:00Z',
  vmm: 'qemu',
  results: [],
});

test('only an image that passed its gate is current, the newest of them', async () => {
  const old = await addImage('1', '2026-01-01T00:00:00.000Z', 'b1', 'a1');
  await expect(readCurrentImage(root)).rejects.toMatchObject({ code: 'image_missing' });
  await writeGate(root, old.id, gate('passed'));
  const failed = await addImage('2', '2026-01-02T00:00:00.000Z', 'b1', 'a2');
  await writeGate(root, failed.id, gate('failed'));
  await addImage('3', '2026-01-03T00:00:00.000Z', 'b1', 'a3');
  expect((await readCurrentImage(root)).id).toBe(old.id);
  expect((await listImages(root)).map(({ gate: state, current }) => [state, current])).toEqual([
    ['pending', false],
    ['failed', false],
    ['passed', true],
  ]);
  expect((await readGate(root, failed.id))?.status).toBe('failed');
});

test('an id that is none, and one that is unknown, are not found', async () => {
  await expect(readImage(root, '../../etc')).rejects.toMatchObject({ code: 'not_found' });
  await expect(readImage(root, 'img-0123456789ab')).rejects.toMatchObject({ code: 'not_found' });
  expect(await listImages(join(root, 'nothing'))).toEqual([]);
});

test('removing an image keeps the layers that others use, and takes the rest', async () => {
  const first = await addImage('1', '2026-01-01T00:00:00.000Z', 'b1', 'a1');
  const second = await addImage('2', '2026-01-02T00:00:00.000Z', 'b1', 'a2');
  await removeImage(root, first.id, signal, () => undefined);
  expect((await readdir(join(root, 'layers'))).sort()).toEqual(['a2', 'b1']);
  await removeImage(root, second.id, signal, () => undefined);
  expect(await readdir(join(root, 'layers'))).toEqual([]);
  expect(await listImages(root)).toEqual([]);
});

test('an image that shares an open layer with the one in use can be removed', async () => {
  const used = await addImage('1', '2026-01-01T00:00:00.000Z', 'b1', 'a1');
  const other = await addImage('2', '2026-01-02T00:00:00.000Z', 'b1', 'a2');
  const handle = await open(used.layers[0]!.path);
  try {
    await removeImage(root, other.id, signal, () => undefined);
  } finally {
    await handle.close();
  }
  expect((await listImages(root)).map(({ id }) => id)).toEqual([used.id]);
});

test('F15: an image whose layer is open cannot be removed', async () => {
  const image = await addImage('1', '2026-01-01T00:00:00.000Z', 'b1', 'a1');
  const handle = await open(image.layers[0]!.path);
  try {
    await expect(removeImage(root, image.id, signal, () => undefined)).rejects.toMatchObject({
      code: 'image_in_use',
    });
  } finally {
    await handle.close();
  }
  expect((await readImage(root, image.id)).id).toBe(image.id);
});

test("the template of a VM's own disk is made once, sparse, and far below 5 MB", async () => {
  const [path, again] = await Promise.all([
    makeUpperTemplate(root, 16_384, signal),
    makeUpperTemplate(root, 16_384, signal),
  ]);
  expect(again).toBe(path);
  const { size, blocks } = await stat(path);
  expect(size).toBe(16_384 * 1024 * 1024);
  expect(blocks * 512).toBeLessThan(2_000_000);
  expect((await readdir(join(root, 'templates'))).length).toBe(1);
});
