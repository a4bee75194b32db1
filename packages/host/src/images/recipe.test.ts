import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRecipe } from './recipe.ts';

const RECIPE = join(import.meta.dirname, '../../../../image');

test.each(['bookworm', 'jammy'])('the %s profile is whole', async (suite) => {
  const { profile } = await readRecipe(RECIPE, suite);
  expect(profile.suite).toBe(suite);
  for (const name of ['systemd', 'busybox-static', 'tigervnc-standalone-server', 'openbox']) {
    expect(profile.packages).toContain(name);
  }
});

test('a suite without a profile and a misspelt key are named', async () => {
  await expect(readRecipe(RECIPE, 'nosuch')).rejects.toThrow(/no profile for the suite nosuch/);
  const folder = await mkdtemp(join(tmpdir(), 'hearth-recipe-'));
  try {
    await cp(RECIPE, folder, { recursive: true });
    await writeFile(join(folder, 'recipe.json'), '{"masks": []}');
    await expect(readRecipe(folder, 'bookworm')).rejects.toThrow(/masks/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('F31: the tools are pinned, and the lock names no registry', async () => {
  const { dependencies } = JSON.parse(await readFile(join(RECIPE, 'tools/package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(await readFile(join(RECIPE, 'tools/package-lock.json'), 'utf8')).not.toContain('"resolved"');
});

test('F8: no unit waits for network-online, and every desktop unit belongs to browser VMs', async () => {
  for (const name of ['agent', 'display', 'window-manager', 'browser']) {
    const unit = await readFile(join(RECIPE, `rootfs/etc/systemd/system/hearth-${name}.service`), 'utf8');
    expect(unit).not.toContain('network-online');
    expect(unit).toMatch(/^Restart=always$/m);
    if (name !== 'agent') expect(unit).toMatch(/^ConditionKernelCommandLine=hearth\.kind=browser$/m);
    if (name !== 'agent') expect(unit).toMatch(/^User=hearth$/m);
  }
});
