import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { moduleName, resolveModules } from './kernel-modules.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-modules-'));
  await writeFile(
    join(folder, 'modules.dep'),
    [
      'kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko',
      'kernel/drivers/virtio/virtio_ring.ko:',
      'kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko',
      'kernel/drivers/char/hw_random/virtio-rng.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko',
      'kernel/fs/overlayfs/overlay.ko.xz:',
      'kernel/fs/xfs/xfs.ko:',
      '',
    ].join('\n'),
  );
  await writeFile(join(folder, 'modules.builtin'), 'kernel/fs/ext4/ext4.ko\n');
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

test('modules come with all that they need, each once, what is needed first', async () => {
  const { paths, names, dep } = await resolveModules(folder, ['virtio_blk', 'virtio_rng', 'ext4', 'overlay']);
  expect(paths.map(moduleName)).toEqual(['virtio_ring', 'virtio', 'virtio_blk', 'virtio_rng', 'overlay']);
  expect(names).toEqual(['virtio_blk', 'virtio_rng', 'overlay']);
  expect(dep).toContain('kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko\n');
  expect(dep).not.toContain('xfs');
});

test('F3: a module that the kernel lacks stops the build', async () => {
  await expect(resolveModules(folder, ['virtio_net'])).rejects.toThrow(/no module virtio_net/);
});

test('names are the same with dashes, underscores and compression', () => {
  expect(moduleName('kernel/a/virtio-rng.ko.xz')).toBe('virtio_rng');
  expect(moduleName('overlay')).toBe('overlay');
});
