import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFreezer, type Freezer } from './freezer.ts';

let folder = '';
let killed: number[] = [];
let freezer: Freezer;
const cgroup = (unit: string, name: string): string => join(folder, 'cgroups', unit, name);
const frozen = (unit: string): Promise<string> => readFile(cgroup(unit, 'cgroup.freeze'), 'utf8');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-freezer-'));
  killed = [];
  for (const unit of ['browser.service', 'manager.service']) {
    await mkdir(join(folder, 'cgroups', unit), { recursive: true });
    await writeFile(cgroup(unit, 'cgroup.freeze'), '0\n');
    await writeFile(cgroup(unit, 'cgroup.events'), 'populated 1\nfrozen 0\n');
    await writeFile(cgroup(unit, 'cgroup.procs'), '');
  }
  await writeFile(cgroup('browser.service', 'cgroup.procs'), '11\n12\n13\n');
  for (const [pid, line] of [
    ['11', 'chromium\0'],
    ['12', 'chromium\0--type=network\0'],
  ] as const) {
    await mkdir(join(folder, 'proc', pid), { recursive: true });
    await writeFile(join(folder, 'proc', pid, 'cmdline'), line);
  }
  freezer = createFreezer({
    units: ['browser.service', 'manager.service', 'absent.service'],
    ended: '--type=network',
    cgroups: join(folder, 'cgroups'),
    proc: join(folder, 'proc'),
    kill: (pid) => void killed.push(pid),
  });
});
afterEach(() => rm(folder, { recursive: true }));

it('is done only when all stand still; then it ends what must not go on alike in clones', async () => {
  expect(await freezer.isFrozen()).toBe(false);
  let done = false;
  const freezing = freezer.freeze(AbortSignal.timeout(5000)).then(() => (done = true));
  await expect.poll(() => frozen('browser.service')).toBe('1');
  await writeFile(cgroup('manager.service', 'cgroup.events'), 'populated 1\nfrozen 1\n');
  expect(done).toBe(false);
  expect(killed).toEqual([]);
  await writeFile(cgroup('browser.service', 'cgroup.events'), 'populated 1\nfrozen 1\n');
  await freezing;
  // 13 ended meanwhile.
  expect(killed).toEqual([12]);
  expect(await freezer.isFrozen()).toBe(true);
  expect(await freezer.thaw()).toBe(true);
  expect([await frozen('browser.service'), await frozen('manager.service')]).toEqual(['0', '0']);
  expect(await freezer.isFrozen()).toBe(false);
  expect(await freezer.thaw()).toBe(false);
});

it('names what can not be frozen in time', async () => {
  await writeFile(cgroup('browser.service', 'cgroup.events'), 'populated 1\nfrozen 1\n');
  await expect(freezer.freeze(AbortSignal.timeout(50))).rejects.toThrow(
    'manager.service could not be frozen',
  );
});

it('has nothing to do in a VM without a desktop', async () => {
  const none = createFreezer({ units: ['absent.service'], ended: 'x', cgroups: join(folder, 'cgroups') });
  await none.freeze(AbortSignal.timeout(1000));
  expect(await none.thaw()).toBe(false);
});
