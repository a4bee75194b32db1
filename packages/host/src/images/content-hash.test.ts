import { chmod, cp, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageIdSchema, type Capability } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { imageIdOf } from './build-image.ts';
import { hashTree } from './content-hash.ts';
import { readRecipe } from './recipe.ts';

const RECIPE = join(import.meta.dirname, '../../../../image');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-hash-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test('a tree’s hash follows names, contents, links and the executable bit, not times or the umask', async () => {
  await mkdir(join(folder, 'etc'));
  await writeFile(join(folder, 'etc/a'), 'a');
  await symlink('a', join(folder, 'etc/link'));
  const before = await hashTree(folder);
  await utimes(join(folder, 'etc/a'), 1, 1);
  await chmod(join(folder, 'etc/a'), 0o600);
  expect(await hashTree(folder)).toBe(before);
  await chmod(join(folder, 'etc/a'), 0o700);
  const executable = await hashTree(folder);
  expect(executable).not.toBe(before);
  await writeFile(join(folder, 'etc/a'), 'b');
  const changed = await hashTree(folder);
  expect(changed).not.toBe(executable);
  await rm(join(folder, 'etc/link'));
  await symlink('b', join(folder, 'etc/link'));
  expect(await hashTree(folder)).not.toBe(changed);
});

test('each input of the recipe changes the hash of the base layer; the README does not', async () => {
  const copy = join(folder, 'image');
  await cp(RECIPE, copy, { recursive: true });
  const { inputsHash } = await readRecipe(RECIPE, 'bookworm');
  expect((await readRecipe(copy, 'bookworm')).inputsHash).toBe(inputsHash);
  await writeFile(join(copy, 'README.md'), 'changed');
  expect((await readRecipe(copy, 'bookworm')).inputsHash).toBe(inputsHash);
  const seen = new Set([inputsHash]);
  for (const path of [
    'initramfs/init',
    'tools/package-lock.json',
    'rootfs/etc/systemd/system/hearth-agent.service',
  ]) {
    await writeFile(join(copy, path), 'changed');
    seen.add((await readRecipe(copy, 'bookworm')).inputsHash);
  }
  expect(seen.size).toBe(4);
});

test('an image’s id names its layers and what it declares', () => {
  const capability: Capability = {
    name: 'node',
    kinds: ['cli'],
    command: ['node'],
    user: 'hearth',
    timeoutMs: 1,
  };
  const recipe = { capabilities: [capability] };
  const base = { hash: 'b', suite: 'bookworm' };
  const id = imageIdOf(recipe, base, { hash: 'a' });
  expect(imageIdSchema.safeParse(id).success).toBe(true);
  expect(imageIdOf(recipe, { ...base }, { hash: 'a' })).toBe(id);
  expect(imageIdOf(recipe, base, { hash: 'A' })).not.toBe(id);
  expect(imageIdOf(recipe, { ...base, hash: 'B' }, { hash: 'a' })).not.toBe(id);
  expect(imageIdOf({ capabilities: [] }, base, { hash: 'a' })).not.toBe(id);
});
