import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { vmSchema } from '@hearth/contract';
import { countTraces, makeLab, noTraces } from '@hearth/testing';
import { expect, test } from 'vitest';

const runFile = promisify(execFile);

test('two Hearths side by side, with the same subnet, do not meet', async () => {
  await using labs = new AsyncDisposableStack();
  const [one, two] = [await makeLab(), await makeLab()];
  labs.defer(() => one.dispose());
  labs.defer(() => two.dispose());
  await one.up();
  await two.up();
  const [first, second] = await Promise.all(
    [one, two].map(async (lab) => vmSchema.parse(await lab.json(['vm', 'create', '--kind', 'cli']))),
  );
  expect(first?.ip).toBe(second?.ip);
  expect(first?.id).not.toBe(second?.id);
  expect((await one.cli(['vm', 'exec', first?.id ?? '', '--', 'hostname'])).stdout.trim()).toBe(first?.id);
  expect((await two.cli(['vm', 'exec', second?.id ?? '', '--', 'hostname'])).stdout.trim()).toBe(second?.id);
  // The token of one is nothing to the other.
  const foreign = await two.fetch('/api/vms', { token: await one.adminToken() });
  expect(foreign.status).toBe(401);
  expect((await one.cli(['down'])).exitCode).toBe(0);
  expect((await two.cli(['vm', 'exec', second?.id ?? '', '--', 'true'])).exitCode).toBe(0);
});

test('`up` is safe to repeat, `down` frees everything, and both say so', async () => {
  const lab = await makeLab();
  try {
    expect((await lab.cli(['status'])).exitCode).toBe(3);
    await lab.up();
    const again = await lab.cli(['up', '--yes', '--detach']);
    expect(again).toMatchObject({ exitCode: 0 });
    expect(again.stdout).toContain('up already');
    expect((await lab.cli(['status'])).exitCode).toBe(0);
    const uid = spawnSync('ps', ['-o', 'user=', '-p', String(await lab.pid('controller'))], {
      encoding: 'utf8',
    });
    expect(uid.stdout.trim(), 'the controller is not root').not.toBe('root');
    await lab.json(['vm', 'create', '--kind', 'cli']);
    expect((await lab.cli(['down'])).exitCode).toBe(0);
    const left = spawnSync('pgrep', ['-f', lab.config.runDir], { encoding: 'utf8' });
    expect(left.stdout).toBe('');
    const groups = spawnSync('find', ['/sys/fs/cgroup', '-name', `hearth-${lab.config.name}`], {
      encoding: 'utf8',
    });
    expect(groups.stdout).toBe('');
    expect((await lab.cli(['status'])).exitCode).toBe(3);
  } finally {
    await lab.dispose();
  }
  const { stdout } = await runFile('ip', ['netns', 'list']);
  expect(stdout).not.toContain(lab.config.name);
});

test('a port in use is said with its number, and nothing is left running', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const lab = await makeLab({ controller: { port } });
  try {
    const result = await lab.cli(['up', '--yes', '--detach']);
    expect(result.exitCode).toBe(1);
    expect(result.stdout + result.stderr).toContain(String(port));
    expect(result.stderr).not.toMatch(/\n {4}at /);
    expect(spawnSync('pgrep', ['-f', lab.config.runDir], { encoding: 'utf8' }).stdout).toBe('');
  } finally {
    server.close();
    await lab.dispose();
  }
});

test('a subnet that overlaps a route of the host is refused with that route', async () => {
  spawnSync('ip', ['link', 'add', 'hearthtest0', 'type', 'bridge']);
  spawnSync('ip', ['addr', 'add', '10.213.7.1/24', 'dev', 'hearthtest0']);
  spawnSync('ip', ['link', 'set', 'hearthtest0', 'up']);
  const lab = await makeLab({ network: { subnet: '10.213.0.0/16', uplink: 'host' } });
  try {
    const result = await lab.cli(['up', '--yes', '--detach']);
    expect(result.exitCode).toBe(1);
    expect(result.stdout + result.stderr).toMatch(/10\.213\.7\.1\/24 on hearthtest0/);
    expect(result.stdout + result.stderr).toContain('network.subnet');
  } finally {
    spawnSync('ip', ['link', 'del', 'hearthtest0']);
    await lab.dispose();
  }
});

test('F5: a configuration key that does not exist is named before anything is started', async () => {
  const lab = await makeLab();
  try {
    const result = await lab.cli(['up', '--yes', '--detach'], { env: { HEARTH_SUBNETT: '10.0.0.0/24' } });
    expect(result.exitCode).not.toBe(0);
    expect(result.stderr).toContain('HEARTH_SUBNETT');
  } finally {
    await lab.dispose();
  }
});

test('a full disk refuses the VM, says which folder, and leaves nothing', async () => {
  const small = await mkdtemp(join(tmpdir(), 'hearth-small-'));
  spawnSync('chmod', ['755', small]);
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400m,mode=755', 'tmpfs', small]);
  const lab = await makeLab({ stateDir: join(small, 'state') });
  try {
    const up = await lab.cli(['up', '--yes', '--detach']);
    // Either `up` itself refuses, or the VM: both must name the folder.
    const said = up.exitCode === 0 ? await lab.cli(['vm', 'create', '--kind', 'cli']) : up;
    expect(said.exitCode).toBe(1);
    expect(said.stdout + said.stderr).toContain(small);
    expect(said.stdout + said.stderr).toMatch(/MiB/);
    if (up.exitCode === 0) expect(await countTraces(lab.config)).toEqual(noTraces);
  } finally {
    await lab.dispose();
    spawnSync('umount', [small]);
    await rm(small, { recursive: true, force: true });
  }
});
