import { once } from 'node:events';
import { execEventSchema, readEvents, vmSchema, type ExecEvent, type Vm } from '@hearth/contract';
import { countTraces, makeLab, noTraces, vmmPids, type HearthLab } from '@hearth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';

let lab: HearthLab;
beforeAll(async () => {
  lab = await makeLab();
  await lab.up();
});
afterAll(() => lab.dispose());

async function createVm(kind = 'cli'): Promise<Vm> {
  return vmSchema.parse(await lab.json(['vm', 'create', '--kind', kind]));
}

async function show(id: string): Promise<Vm> {
  return vmSchema.parse(await lab.json(['vm', 'show', id]));
}

async function exec(id: string, request: object, signal?: AbortSignal): Promise<ExecEvent[]> {
  const answer = await lab.fetch(`/api/vms/${id}/exec`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    ...(signal === undefined ? {} : { signal }),
  });
  expect(answer.status).toBe(200);
  const events: ExecEvent[] = [];
  for await (const event of readEvents(answer.body as unknown as AsyncIterable<Uint8Array>, execEventSchema))
    events.push(event);
  return events;
}

test('a CLI VM: ready with the booked address, exec, files, console, delete, nothing left', async () => {
  const vm = await createVm();
  expect(vm.state).toBe('ready');
  expect(vm.timeline.phases.map(({ phase }) => phase).sort()).toEqual(
    ['admitted', 'agent', 'disk', 'identity', 'init', 'kernel', 'network', 'ready', 'tap', 'vmm'].sort(),
  );

  // The guest's own view, not the controller's.
  const inside = await lab.cli([
    'vm',
    'exec',
    vm.id,
    '--',
    'sh',
    '-c',
    'hostname -I; hostname; cat /etc/machine-id; id -un',
  ]);
  const [address, hostname, machineId, user] = inside.stdout
    .trim()
    .split('\n')
    .map((line) => line.trim());
  expect(address).toBe(vm.ip);
  expect(hostname).toBe(vm.id);
  expect(machineId).toMatch(/^[0-9a-f]{32}$/);
  expect(user).toBe('hearth');

  // Exit codes, both streams, standard input.
  expect((await lab.cli(['vm', 'exec', vm.id, '--', 'sh', '-c', 'exit 37'])).exitCode).toBe(37);
  const streams = await lab.cli(['vm', 'exec', vm.id, '--', 'sh', '-c', 'echo out; echo err >&2']);
  expect(streams).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 0 });
  const counted = await lab.cli(['vm', 'exec', vm.id, '--', 'wc', '-c'], { input: 'x'.repeat(1_000_000) });
  expect(counted.stdout.trim()).toBe('1000000');
  const missing = await lab.cli(['vm', 'exec', vm.id, '--', 'no-such-program']);
  expect(missing.exitCode).not.toBe(0);
  expect(missing.stderr).toContain('no-such-program');

  // F45: a client that goes away takes its command with it.
  const gone = new AbortController();
  const running = exec(vm.id, { command: ['sleep', '987'] }, gone.signal).catch((error: unknown) => error);
  await expect
    .poll(async () => (await lab.cli(['vm', 'exec', vm.id, '--', 'pgrep', '-fx', 'sleep 987'])).exitCode, {
      timeout: 20_000,
    })
    .toBe(0);
  gone.abort();
  await running;
  await expect
    .poll(async () => (await lab.cli(['vm', 'exec', vm.id, '--', 'pgrep', '-fx', 'sleep 987'])).exitCode, {
      timeout: 20_000,
    })
    .toBe(1);

  // Files there and back.
  const copied = await lab.cli(['vm', 'cp', '-', `${vm.id}:/home/hearth/note.txt`], { input: 'a note\n' });
  expect(copied.stderr + String(copied.exitCode)).toContain('0');
  expect((await lab.cli(['vm', 'cp', `${vm.id}:/home/hearth/note.txt`, '-'])).stdout).toBe('a note\n');

  // The disk that it took at its making is small.
  const listed = z.object({ vms: z.array(vmSchema) }).parse(await (await lab.fetch('/api/vms')).json());
  expect(listed.vms.map(({ id }) => id)).toEqual([vm.id]);

  expect((await lab.cli(['vm', 'console', vm.id])).stdout).toContain('hearth-phase: init');
  expect((await lab.cli(['vm', 'timeline', vm.id])).stdout).toMatch(/ready/);

  expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
  expect(await countTraces(lab.config)).toEqual(noTraces);
  // F13: the console outlives the VM.
  const kept = await lab.cli(['vm', 'console', vm.id, '--timestamps']);
  expect(kept.stdout).toMatch(/^\d{4}-\d\d-\d\dT\S+ .*hearth-phase: initramfs/m);
});

test('a browser VM is ready only with a painted desktop and a browser that answers (F7, F33)', async () => {
  const vm = await createVm('browser');
  expect(vm.state).toBe('ready');
  const version = await lab.cli([
    'vm',
    'exec',
    vm.id,
    '--',
    'curl',
    '-s',
    'http://127.0.0.1:9222/json/version',
  ]);
  expect(version.stdout).toContain('Browser');
  expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
  expect(await countTraces(lab.config)).toEqual(noTraces);
});

test('three at once are all ready with addresses of their own, and cannot reach each other', async () => {
  const vms = await Promise.all([createVm(), createVm(), createVm()]);
  expect(new Set(vms.map(({ ip }) => ip)).size).toBe(3);
  const [first, second] = vms;
  const reach = await lab.cli([
    'vm',
    'exec',
    first.id,
    '--',
    'curl',
    '-s',
    '-m',
    '3',
    `http://${second.ip ?? ''}:8080/health`,
  ]);
  expect(reach.exitCode).not.toBe(0);
  const ids = await Promise.all(
    vms.map(async ({ id }) => (await lab.cli(['vm', 'exec', id, '--', 'cat', '/etc/machine-id'])).stdout),
  );
  expect(new Set(ids).size, 'F46: every VM has a machine-id of its own').toBe(3);
  expect((await lab.cli(['vm', 'rm', ...vms.map(({ id }) => id)])).exitCode).toBe(0);
  expect(await countTraces(lab.config)).toEqual(noTraces);
});

test('ten in a row leave nothing behind', async () => {
  const addresses = new Set<string | null>();
  for (let count = 0; count < 10; count += 1) {
    const vm = await createVm();
    addresses.add(vm.ip);
    expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
    expect(await countTraces(lab.config)).toEqual(noTraces);
  }
  // The one that was freed longest ago comes next: no address is used again at once.
  expect(addresses.size).toBe(10);
});

test('a VM deleted while it boots is gone without a trace', async () => {
  const created = await lab.json(['vm', 'create', '--kind', 'cli', '--no-wait']);
  const { id } = vmSchema.parse(created);
  await expect.poll(async () => (await countTraces(lab.config)).vmms, { timeout: 30_000 }).toBe(1);
  expect((await lab.cli(['vm', 'rm', id])).exitCode).toBe(0);
  expect(await countTraces(lab.config)).toEqual(noTraces);
});

test('F19: a host daemon that is killed takes up its VMs again; they never noticed', async () => {
  const vm = await createVm();
  const background = lab.start(['vm', 'console', vm.id, '-f']);
  const before = await lab.cli(['vm', 'exec', vm.id, '--', 'cat', '/proc/sys/kernel/random/boot_id']);
  process.kill(await lab.pid('host'), 'SIGKILL');
  process.kill(await lab.pid('controller'), 'SIGKILL');
  await lab.up();
  await expect
    .poll(
      async () =>
        (await lab.cli(['vm', 'exec', vm.id, '--', 'cat', '/proc/sys/kernel/random/boot_id'])).stdout,
      { timeout: 30_000 },
    )
    .toBe(before.stdout);
  // And still knows when such a VM dies: what its person wrote is kept, all else is given back.
  const write = ['vm', 'exec', vm.id, '--', 'sh', '-c', 'echo kept > kept.txt && sync'];
  expect((await lab.cli(write)).exitCode).toBe(0);
  for (const pid of await vmmPids(lab.config)) process.kill(pid, 'SIGKILL');
  await expect
    .poll(() => show(vm.id), { timeout: 20_000 })
    .toMatchObject({
      ...{ state: 'hibernated', ip: null, failure: { code: 'vmm_failed', layer: 'vmm' } },
      finding: { cause: 'vmm_killed', layer: 'vmm' },
    });
  await expect
    .poll(() => countTraces(lab.config), { timeout: 10_000 })
    .toEqual({ ...noTraces, folders: expect.any(Number) as number });
  expect((await lab.cli(['vm', 'exec', vm.id, '--', 'cat', 'kept.txt'])).stdout).toBe('kept\n');
  expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
  expect(await countTraces(lab.config)).toEqual(noTraces);
  background.kill('SIGINT');
  if (background.exitCode === null) await once(background, 'exit');
});

test('a VMM that dies is the cause of the failure, in words, and a VM that nobody used leaves nothing but its record', async () => {
  const vm = await createVm();
  for (const pid of await vmmPids(lab.config)) process.kill(pid, 'SIGKILL');
  await expect
    .poll(() => show(vm.id), { timeout: 20_000 })
    .toMatchObject({
      ...{ state: 'failed', ip: null, failure: { code: 'vmm_failed', layer: 'vmm' } },
      finding: { cause: 'vmm_killed', layer: 'vmm' },
    });
  await expect.poll(() => countTraces(lab.config), { timeout: 10_000 }).toEqual(noTraces);
  expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
});

test('F12: a guest that panics: its console is the cause, in words, and what was written in it is kept', async () => {
  const vm = await createVm();
  const panic = ['sh', '-c', 'echo c > /proc/sysrq-trigger'];
  const { stdout } = await lab.cli(['vm', 'exec', vm.id, '--user', 'root', '--', ...panic]);
  expect(stdout).toBe('');
  await expect
    .poll(() => show(vm.id), { timeout: 60_000 })
    .toMatchObject({
      ...{ state: 'hibernated', failure: { code: 'kernel_panic' } },
      finding: { cause: 'kernel_panic', layer: 'console' },
    });
  expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
  expect(await countTraces(lab.config)).toEqual(noTraces);
});
