import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { openCgroups } from './cgroup.ts';

const tree = `hearth-test${randomBytes(3).toString('hex')}`;

test('a process is inside its limits from its first instruction, and the groups go with it', async () => {
  const cgroups = await openCgroups(tree, () => undefined);
  if (cgroups.version === 'none')
    throw new Error('this machine has no cgroups with limits: the tier cannot run here');
  const { wrapper } = await cgroups.create('vm-a', { memMiB: 64, cpus: 0.5 });
  const [command, ...args] = [...wrapper, 'cat', '/proc/self/cgroup'];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'close');
  expect(text).toContain(`/${tree}/vm-a`);
  const limit =
    cgroups.version === 'v2'
      ? `/sys/fs/cgroup/${tree}/vm-a/memory.max`
      : `/sys/fs/cgroup/memory/${tree}/vm-a/memory.limit_in_bytes`;
  expect(readFileSync(limit, 'utf8').trim()).toBe(String(64 * 1024 * 1024));

  // What has no record is swept, what has one stays; the parent goes when it is empty.
  await cgroups.create('vm-b', { memMiB: 64, cpus: 1 });
  await cgroups.sweep(new Set(['vm-b']));
  const folder = cgroups.version === 'v2' ? `/sys/fs/cgroup/${tree}` : `/sys/fs/cgroup/memory/${tree}`;
  expect([existsSync(`${folder}/vm-a`), existsSync(`${folder}/vm-b`)]).toEqual([false, true]);
  await cgroups.close();
  expect(existsSync(folder)).toBe(true);
  await cgroups.remove('vm-b');
  await cgroups.close();
  expect(existsSync(folder)).toBe(false);
});

test('F19: what still runs in a group ends with it', async () => {
  const cgroups = await openCgroups(tree, () => undefined);
  const { wrapper } = await cgroups.create('vm-c', { memMiB: 64, cpus: 1 });
  const [command, ...args] = [...wrapper, 'sleep', '60'];
  const child = spawn(command, args, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const procs = `/sys/fs/cgroup/${cgroups.version === 'v2' ? '' : 'pids/'}${tree}/vm-c/cgroup.procs`;
  await expect.poll(() => readFileSync(procs, 'utf8').trim()).toBe(String(child.pid));
  await cgroups.remove('vm-c');
  expect(await ended).toEqual([null, 'SIGKILL']);
  expect(await cgroups.list()).toEqual([]);
  await cgroups.close();
});
