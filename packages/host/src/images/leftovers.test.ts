import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeBuildFolder, mountPointsBelow, removeLeftovers } from './leftovers.ts';
import { lockStore } from './store-lock.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearth-store-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

test('the next build removes what dead builds left, and nothing else', async () => {
  const mine = await makeBuildFolder(root, 'aa');
  const dead = join(root, '.building-4194303-1-bb');
  // The pid of this very process, but another start: pids come round.
  const reused = join(root, `.building-${process.pid}-1-cc`);
  for (const folder of [dead, reused]) {
    await mkdir(join(folder, 'root/etc'), { recursive: true });
    await writeFile(join(folder, 'root/etc/x'), 'x', { mode: 0o400 });
  }
  await mkdir(join(root, 'layers'));
  expect((await removeLeftovers(root)).sort()).toEqual([dead, reused].sort());
  expect((await readdir(root)).sort()).toEqual([mine.slice(root.length + 1), 'layers'].sort());
});

test('mounts inside a folder are found, the deepest first; names with spaces, neighbours not', async () => {
  const info = [
    '22 1 0:20 / /store/.b rw - ext4 /dev/a rw',
    '23 22 0:21 / /store/.b/root/proc rw - proc proc rw',
    '24 22 0:21 / /store/.b/root/proc/sys rw - proc proc rw',
    '25 22 0:22 / /store/.b/a\\040b rw - tmpfs tmpfs rw',
    '26 22 0:22 / /store/.bc/root rw - tmpfs tmpfs rw',
  ].join('\n');
  expect(await mountPointsBelow('/store/.b', info)).toEqual([
    '/store/.b/root/proc/sys',
    '/store/.b/root/proc',
    '/store/.b/a b',
  ]);
});

test('a second build waits for the first and says so', async () => {
  const path = join(root, 'lock');
  const { signal } = new AbortController();
  const first = await lockStore(path, signal, () => undefined);
  const waiting = Promise.withResolvers<undefined>();
  const second = lockStore(path, signal, () => waiting.resolve(undefined));
  await waiting.promise;
  await first.release();
  await (await second).release();
});

test('a wait for the lock ends with its signal', async () => {
  const path = join(root, 'lock');
  const first = await lockStore(path, new AbortController().signal, () => undefined);
  const ending = new AbortController();
  const second = lockStore(path, ending.signal, () => ending.abort(new Error('enough')));
  await expect(second).rejects.toThrow(/enough/);
  await first.release();
});

test('the lock of a build that was killed is free', async () => {
  const path = join(root, 'lock');
  const script = `import { lockStore } from ${JSON.stringify(join(import.meta.dirname, 'store-lock.ts'))};
    await lockStore(${JSON.stringify(path)}, new AbortController().signal, () => {});
    console.log('held'); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const lock = await lockStore(path, AbortSignal.timeout(10_000), () => undefined);
  await lock.release();
});
