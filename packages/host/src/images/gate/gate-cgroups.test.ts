import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeCgroups } from './gate-cgroups.ts';

test('the groups of one gate go, with those of its VMs, under every controller; others stay', async () => {
  const root = await mkdtemp(join(tmpdir(), 'hearth-cgroup-'));
  try {
    for (const folder of ['cpu,cpuacct', 'memory', '.']) {
      for (const name of ['hearth-gate-1/vm-a', 'hearth-gate-1/vm-b', 'hearth-other/vm-a']) {
        await mkdir(join(root, folder, name), { recursive: true });
      }
    }
    await symlink('cpu,cpuacct', join(root, 'cpu'));
    await removeCgroups('hearth-gate-1', root);
    await removeCgroups('hearth-gate-1', root);
    expect((await readdir(root)).sort()).toEqual(['cpu', 'cpu,cpuacct', 'hearth-other', 'memory']);
    expect(await readdir(join(root, 'memory'))).toEqual(['hearth-other']);
    expect(await readdir(join(root, 'cpu'))).toEqual(['hearth-other']);
  } finally {
    await rm(root, { recursive: true });
  }
});
