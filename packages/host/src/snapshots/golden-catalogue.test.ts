import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HearthError } from '@hearth/contract';
import { removeImage } from '../images/remove-image.ts';
import { createGoldenCatalogue, type CatalogueOptions } from './golden-catalogue.ts';
import { removeOrphans } from './remove-orphans.ts';
import { listSnapshots, publishSnapshot, readSnapshot, removeSnapshot } from './snapshot-store.ts';
import { addImage, addSnapshot, testImage, testMachine } from './test-golden.ts';
import { verifySnapshot } from './wholeness.ts';

const { signal } = new AbortController();
const wanted = { kind: 'cli', cpus: 2, memMiB: 2048, diskMiB: 16_384, imageId: testImage.id } as const;
const noClones = () => 0;
let store: string;
beforeEach(async () => {
  store = await mkdtemp(join(tmpdir(), 'hearth-goldens-'));
});
afterEach(async () => {
  await rm(store, { recursive: true });
});

function openCatalogue(more: Partial<CatalogueOptions> = {}) {
  const verify = vi.fn(async (id: string) => {
    await verifySnapshot(await readSnapshot(store, id), signal);
  });
  const logged: string[] = [];
  const catalogue = createGoldenCatalogue({
    ...{ store, verify },
    image: () => Promise.resolve(testImage),
    currentImage: () => Promise.resolve(testImage),
    machine: () => Promise.resolve(testMachine),
    log: (message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`),
    ...more,
  });
  return { catalogue, verify, logged };
}

test('a VM is cloned from the newest snapshot that fits; nothing is hashed for it', async () => {
  const { catalogue, verify } = openCatalogue();
  expect(await catalogue.find(wanted)).toBeNull();
  await addSnapshot(store, 'a', { createdAt: '2026-01-01T00:00:00Z' });
  const { manifest } = await addSnapshot(store, 'b');
  await addSnapshot(store, 'c', { createdAt: '2026-03-01T00:00:00Z', memMiB: 4096 });
  await addSnapshot(store, 'd', {
    ...{ createdAt: '2026-03-01T00:00:00Z', machine: { ...testMachine, model: 'q35' } },
  });
  expect((await catalogue.find(wanted))?.manifest.id).toBe(manifest.id);
  expect(verify).not.toHaveBeenCalled();
});

test.each(['memory', 'state', 'upper'] as const)(
  'an altered %s file is refused by its checksum, named with both hashes, and the cold path serves',
  async (name) => {
    const { manifest, paths } = await addSnapshot(store, 'a');
    // Same size, time set back: ctime tells all the same.
    const { atime, mtime } = await stat(paths[name]);
    await using file = await open(paths[name], 'r+');
    await file.write('X', 2);
    await utimes(paths[name], atime, mtime);
    const { catalogue, logged } = openCatalogue();
    expect(await catalogue.find(wanted)).toBeNull();
    expect(await catalogue.has(wanted)).toBe(false);
    expect(logged.join()).toContain(paths[name]);
    expect(logged.join()).toContain(manifest[name].sha256);
    expect(await catalogue.list(noClones)).toMatchObject([{ status: 'invalid' }]);
    expect(await catalogue.check()).toMatchObject({ ok: false });
    // Another Hearth of this machine knows it, too.
    const other = openCatalogue();
    expect(await other.catalogue.find(wanted)).toBeNull();
    expect(other.verify).not.toHaveBeenCalled();
  },
);

test('a truncated file and one that is missing are damage, too', async () => {
  const truncated = await addSnapshot(store, 'a');
  await truncate(truncated.paths.memory, 3);
  const missing = await addSnapshot(store, 'b');
  await rm(missing.paths.state);
  const { catalogue, logged } = openCatalogue();
  expect(await catalogue.find(wanted)).toBeNull();
  expect(await catalogue.has(wanted)).toBe(false);
  expect(logged.join()).toMatch(/memory has 3 bytes, it was made with 26/);
  expect(logged.join()).toMatch(/a file is missing/);
});

test('files that were only touched are hashed once more, the cold path serves meanwhile, and then they are used', async () => {
  const { paths } = await addSnapshot(store, 'a');
  await chmod(paths.memory, 0o400);
  const { promise: mayHash, resolve: letHash } = Promise.withResolvers<undefined>();
  const verify = vi.fn(async (id: string) => {
    await mayHash;
    await verifySnapshot(await readSnapshot(store, id), signal);
  });
  const { catalogue } = openCatalogue({ verify });
  expect(await Promise.all([1, 2, 3].map(() => catalogue.find(wanted)))).toEqual([null, null, null]);
  expect(await catalogue.list(noClones)).toMatchObject([{ detail: 'its files are being hashed again' }]);
  letHash(undefined);
  expect(await catalogue.has(wanted)).toBe(true);
  expect(await catalogue.find(wanted)).not.toBeNull();
  expect(verify).toHaveBeenCalledTimes(1);
});

test('a hashing that could not be done condemns nothing', async () => {
  const { paths, manifest } = await addSnapshot(store, 'a');
  await appendFile(paths.state, '');
  await chmod(paths.state, 0o400);
  const failing = openCatalogue({ verify: () => Promise.reject(new HearthError('aborted', 'stopped')) });
  expect(await failing.catalogue.find(wanted)).toBeNull();
  await expect(failing.catalogue.has(wanted)).rejects.toThrow(/stopped/);
  expect((await readSnapshot(store, manifest.id)).damage).toBeNull();
});

test('damage that no clock shows is found when all are hashed at the start', async () => {
  const { manifest, paths } = await addSnapshot(store, 'a', {
    memory: { path: '/x', sha256: 'f'.repeat(64), bytes: 'memory of snp-a00000000000'.length },
  });
  const { catalogue, verify } = openCatalogue();
  const told = vi.fn();
  catalogue.onInvalid(told);
  await catalogue.verifyAll(signal);
  expect(verify, 'hashed a moment ago').not.toHaveBeenCalled();
  const longAgo = new Date(Date.now() - 365 * 24 * 3600_000);
  await utimes(paths.verified, longAgo, longAgo);
  await catalogue.verifyAll(signal);
  expect(told).toHaveBeenCalledTimes(1);
  expect((await readSnapshot(store, manifest.id)).damage).toMatch(/has sha256/);
});

test('what the VMM refused is not used again, until it is made anew', async () => {
  const { manifest, paths } = await addSnapshot(store, 'a');
  const { catalogue } = openCatalogue();
  const told = Promise.withResolvers<undefined>();
  catalogue.onInvalid(() => told.resolve(undefined));
  catalogue.reject(manifest.id, 'bad section');
  await told.promise;
  expect(await catalogue.find(wanted)).toBeNull();
  expect((await catalogue.list(noClones))[0]?.detail).toMatch(/refused it: bad section/);
  const fresh = join(store, 'snapshots', '.building-1-1-a');
  await mkdir(fresh);
  await writeFile(join(fresh, 'new'), '');
  await publishSnapshot(store, fresh, manifest.id);
  expect(await readdir(paths.folder)).toEqual(['new']);
  expect(await readdir(join(store, 'snapshots'))).toEqual([manifest.id]);
});

test('what is listed says why it is not used', async () => {
  await addSnapshot(store, 'a');
  await addSnapshot(store, 'b', {
    imageId: 'img-bbbbbbbbbbbb' as typeof testImage.id,
    createdAt: '2026-01-01T00:00:00Z',
  });
  const { catalogue } = openCatalogue();
  expect(await catalogue.list((id) => (id.startsWith('snp-a') ? 3 : 0))).toMatchObject([
    { id: 'snp-a00000000000', status: 'ready', detail: '', clones: 3 },
    { id: 'snp-b00000000000', status: 'stale', clones: 0 },
  ]);
  expect((await catalogue.list(noClones))[1]?.detail).toMatch(/image img-b/);
  const none = openCatalogue({ machine: () => Promise.resolve(null) });
  expect(await none.catalogue.find(wanted)).toBeNull();
  expect((await none.catalogue.list(noClones))[0]?.status).toBe('stale');
});

test('a snapshot that a process has open is not removed; later it is, with what it took', async () => {
  const { manifest, paths } = await addSnapshot(store, 'a');
  {
    await using _held = await open(paths.memory);
    await expect(removeSnapshot(store, manifest.id)).rejects.toMatchObject({ code: 'snapshot_in_use' });
    await addImage(store);
    await expect(removeImage(store, testImage.id, signal, () => undefined)).rejects.toMatchObject({
      code: 'image_in_use',
    });
    expect(await listSnapshots(store)).toHaveLength(1);
  }
  expect(await removeSnapshot(store, manifest.id)).toBeGreaterThan(0);
  expect(await readdir(join(store, 'snapshots'))).toEqual([]);
  await expect(removeSnapshot(store, manifest.id)).rejects.toMatchObject({ code: 'not_found' });
  await expect(removeSnapshot(store, '../images')).rejects.toMatchObject({ code: 'not_found' });
});

test('snapshots of images that are gone are removed, those of others stay', async () => {
  await addImage(store);
  const { manifest } = await addSnapshot(store, 'a');
  await addSnapshot(store, 'b', { imageId: 'img-bbbbbbbbbbbb' as typeof testImage.id });
  const held = await addSnapshot(store, 'c', { imageId: 'img-cccccccccccc' as typeof testImage.id });
  await using _held = await open(held.paths.memory);
  await removeOrphans(store, () => undefined);
  const left = (await listSnapshots(store)).map(({ manifest: { id } }) => id);
  expect(left.sort()).toEqual([manifest.id, held.manifest.id]);
});
