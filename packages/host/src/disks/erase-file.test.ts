import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eraseFile } from './erase-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-erase-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('nothing of what a sparse file held is left in it, and its holes stay holes', async () => {
  const path = join(folder, 'disk');
  await writeFile(path, 'fake-token-1');
  await truncate(path, 4 * 1024 ** 3);
  const handle = await open(path, 'r+');
  await handle.write(Buffer.from('fake-token-2'), 0, 12, 3 * 1024 ** 3 + 100);
  // Blocks that are not yet on the disk have no place to be found at.
  await handle.sync();
  await handle.close();
  const { blocks } = await stat(path);
  await eraseFile(path);
  const after = await stat(path);
  expect(after.size).toBe(4 * 1024 ** 3);
  expect(after.blocks).toBeLessThanOrEqual(blocks + 16);
  const read = await open(path, 'r');
  const bytes = Buffer.alloc(64);
  for (const position of [0, 3 * 1024 ** 3 + 90]) {
    await read.read(bytes, 0, 64, position);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  }
  await read.close();
});

test('a file that ends within a block keeps its size; one that is not there is erased', async () => {
  const path = join(folder, 'small');
  await writeFile(path, 'fake-token');
  await eraseFile(path);
  expect(await readFile(path)).toEqual(Buffer.alloc(10));
  await expect(eraseFile(join(folder, 'absent'))).resolves.toBeUndefined();
});
