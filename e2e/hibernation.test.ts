import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { problemSchema, vmListSchema, vmSchema, type Vm } from '@hearth/contract';
import { countTraces, makeLab, noTraces, vmmPids, waitForGoldens, type HearthLab } from '@hearth/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { vmPaths } from '../packages/host/src/vms/vm-paths.ts';
import {
  clockErrorMs,
  createVm,
  factsOf,
  inVm,
  openInstantLab,
  post,
  removeAll,
  settled,
  showVm,
} from './instant/lab-vms.ts';

const runFile = promisify(execFile);
const DAY_S = 86_400;

let lab: HearthLab;
beforeAll(async () => {
  lab = await openInstantLab();
});
// What one test left where it failed is not the next one's.
afterEach(async () => {
  const { vms } = vmListSchema.parse(await (await lab.fetch('/api/vms?all=true')).json());
  if (vms.length > 0) await removeAll(lab, ...vms);
});
afterAll(() => lab.dispose());

const hibernate = async (vm: Vm): Promise<Vm> => vmSchema.parse(await lab.json(['vm', 'hibernate', vm.id]));
const resume = async (vm: Vm, ...more: string[]): Promise<Vm> =>
  vmSchema.parse(await lab.json(['vm', 'resume', vm.id, ...more]));
const fork = async (vm: Vm): Promise<Vm> => vmSchema.parse(await lab.json(['vm', 'fork', vm.id]));
const remove = (...vms: Vm[]): Promise<void> => removeAll(lab, ...vms);

/** A process that counts in its memory alone, and a file that is on no disk. */
async function startCounter(vm: Vm, secret: string): Promise<void> {
  // Renamed into place: whoever reads it never finds it empty.
  const script = `i=0; while :; do i=$((i+1)); echo $i > /dev/shm/next; mv /dev/shm/next /dev/shm/count; sleep 0.2; done`;
  await inVm(
    lab,
    vm,
    `setsid -f sh -c '${script}' >/dev/null 2>&1 </dev/null; echo ${secret} > /dev/shm/secret`,
  );
  await expect.poll(() => countOf(vm), { timeout: 30_000 }).toBeGreaterThan(2);
}

async function countOf(vm: Vm): Promise<number> {
  return Number(await inVm(lab, vm, 'cat /dev/shm/count 2>/dev/null || echo 0'));
}

async function expectCounting(vm: Vm, from: number, secret: string): Promise<void> {
  expect(await inVm(lab, vm, 'cat /dev/shm/secret')).toBe(`${secret}\n`);
  const now = await countOf(vm);
  expect(now).toBeGreaterThanOrEqual(from);
  await expect.poll(() => countOf(vm), { timeout: 30_000 }).toBeGreaterThan(now);
}

test('a CLI VM sleeps and wakes with what it was doing; meanwhile it has nothing but its files', async () => {
  const vm = await createVm(lab);
  const secret = randomBytes(8).toString('hex');
  await startCounter(vm, secret);
  const count = await countOf(vm);
  const machineId = await inVm(lab, vm, 'cat /etc/machine-id');
  const bootId = await inVm(lab, vm, 'cat /proc/sys/kernel/random/boot_id');

  const asleep = await hibernate(vm);
  expect(asleep).toMatchObject({ state: 'hibernated', ip: null, failure: null });
  expect(asleep.hibernatedAt).not.toBeNull();
  expect(Date.parse(asleep.deletesAt ?? '') - Date.parse(asleep.hibernatedAt ?? ''), 'by the policy').toBe(
    lab.config.vms.hibernate.deleteAfterDays * DAY_S * 1000,
  );
  const { folders, ...others } = await countTraces(lab.config);
  expect(others, 'VMM, TAP, lease, pin, cgroup and sockets are given back').toEqual(
    Object.fromEntries(Object.entries(noTraces).filter(([name]) => name !== 'folders')),
  );
  expect(folders, 'its files').toBeGreaterThan(0);
  // Its address is anybody's now.
  const tenant = await createVm(lab);

  const awake = await resume(vm);
  expect(awake).toMatchObject({ state: 'ready', origin: 'hibernation', hibernatedAt: null, deletesAt: null });
  expect(awake.timeline.phases.map(({ phase }) => phase)).toEqual(
    expect.arrayContaining(['load', 'resume', 'identity', 'ready']),
  );
  await expectCounting(awake, count, secret);
  expect(await inVm(lab, vm, 'cat /etc/machine-id')).toBe(machineId);
  expect(await inVm(lab, vm, 'hostname')).toBe(`${vm.id}\n`);
  expect(await inVm(lab, vm, 'cat /proc/sys/kernel/random/boot_id')).toBe(bootId);
  expect((await inVm(lab, vm, 'hostname -I')).trim()).toBe(awake.ip);
  expect(awake.ip).not.toBe(tenant.ip);

  // Asked for again, it is a plain no; asked of one that sleeps, it is there already.
  const twice = await hibernate(vm);
  expect(twice.state).toBe('hibernated');
  const again = await post(lab, `/api/vms/${vm.id}/hibernate`);
  expect(again.status).toBe(200);
  // A command wakes it by itself (F45: and ends with its own exit code).
  expect((await lab.cli(['vm', 'exec', vm.id, '--', 'sh', '-c', 'exit 7'])).exitCode).toBe(7);
  await expectCounting(await showVm(lab, vm), count, secret);
  await remove(vm, tenant);
});

test('clock jumps: a guest that was a month behind when it slept is right when it wakes', async () => {
  const vm = await createVm(lab);
  await inVm(lab, vm, `date -s @$(($(date +%s) - ${30 * DAY_S}))`, 'root');
  expect(await clockErrorMs(lab, vm), 'the planted fault').toBeGreaterThan(29 * DAY_S * 1000);
  await hibernate(vm);
  const awake = await resume(vm);
  expect(await clockErrorMs(lab, awake)).toBeLessThan(1000);
  // And timers of the guest go on: a sleep of 1 s ends.
  expect(await inVm(lab, vm, 'sleep 1; echo over')).toBe('over\n');
  await remove(vm);
});

test('F46: forks go on where their VM was, as VMs of their own', async () => {
  const vm = await createVm(lab);
  const secret = randomBytes(8).toString('hex');
  await startCounter(vm, secret);
  await inVm(lab, vm, `echo ${secret} > ~/file; sync`);
  const count = await countOf(vm);
  // Of one that runs, and of one that sleeps.
  const one = await fork(vm);
  await hibernate(vm);
  const two = await fork(vm);
  expect((await showVm(lab, vm)).state, 'it sleeps on').toBe('hibernated');
  for (const copy of [one, two]) {
    expect(copy).toMatchObject({ state: 'ready', origin: 'hibernation' });
    await expectCounting(copy, count, secret);
    expect(await inVm(lab, copy, 'cat ~/file')).toBe(`${secret}\n`);
  }
  const awake = await resume(vm);
  const facts = [await factsOf(lab, awake), await factsOf(lab, one), await factsOf(lab, two)];
  for (const name of Object.keys(facts[0] ?? {}) as (keyof (typeof facts)[0])[]) {
    const values = facts.map((fact) => fact[name]);
    expect(new Set(values).size, `${name}: ${values.join(', ')}`).toBe(3);
  }
  // What one writes the others don't see.
  await inVm(lab, one, 'echo other > ~/file; sync');
  expect(await inVm(lab, two, 'cat ~/file')).toBe(`${secret}\n`);
  expect(await inVm(lab, vm, 'cat ~/file')).toBe(`${secret}\n`);
  await remove(vm, one, two);
});

test('a damaged memory is refused by name and kept asleep; `resume --cold` boots its disk with its files', async () => {
  const vm = await createVm(lab);
  await inVm(lab, vm, 'echo kept > ~/file; sync');
  await hibernate(vm);
  const saved = await largestFile(lab, vm);
  const file = await open(saved, 'r+');
  // In the middle, one byte.
  const { size } = await file.stat();
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, Math.floor(size / 2));
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 0xff]), 0, 1, Math.floor(size / 2));
  await file.close();

  const refused = await lab.cli(['vm', 'resume', vm.id, '--json']);
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stdout + refused.stderr).toContain('snapshot_invalid');
  const asleep = await settled(lab, vm, ['hibernated']);
  expect(asleep.failure, 'why, until it is resumed').toMatchObject({ code: 'snapshot_invalid' });
  expect((await countTraces(lab.config)).vmms).toBe(0);

  const cold = await resume(vm, '--cold');
  expect(cold).toMatchObject({ state: 'ready', failure: null });
  expect(cold.timeline.phases.map(({ phase }) => phase)).toEqual(expect.arrayContaining(['kernel', 'init']));
  expect(await inVm(lab, vm, 'cat ~/file')).toBe('kept\n');
  await remove(vm);
});

async function largestFile(of: HearthLab, { id }: Vm): Promise<string> {
  const { folder, upper } = vmPaths(of.config, id);
  const paths = (await readdir(folder)).map((name) => join(folder, name)).filter((path) => path !== upper);
  const sized = await Promise.all(paths.map(async (path) => ({ path, size: (await stat(path)).size })));
  const [largest] = sized.sort((a, b) => b.size - a.size);
  if (largest === undefined || largest.size < 1024 * 1024) throw new Error(`no saved memory in ${folder}`);
  return largest.path;
}

test('F19: daemons that are killed, or start anew, find a sleeping VM asleep, and wake it', async () => {
  const vm = await createVm(lab);
  const secret = randomBytes(8).toString('hex');
  await startCounter(vm, secret);
  await hibernate(vm);
  process.kill(await lab.pid('host'), 'SIGKILL');
  process.kill(await lab.pid('controller'), 'SIGKILL');
  await lab.up();
  expect((await showVm(lab, vm)).state).toBe('hibernated');
  // `down` ends no sleep either.
  expect((await lab.cli(['down'])).exitCode).toBe(0);
  await lab.up();
  expect((await settled(lab, vm, ['hibernated'])).state).toBe('hibernated');
  await resume(vm);
  await expectCounting(vm, 1, secret);
  await remove(vm);
});

test('F19: a host daemon killed while a VM falls asleep or wakes: it is awake, asleep or failed, and never half', async () => {
  const vm = await createVm(lab);
  let alive: Vm | null = vm;
  for (const [verb, delayMs] of [
    ['hibernate', 30],
    ['resume', 100],
    ['hibernate', 250],
    ['resume', 300],
  ] as const) {
    if (alive === null) break;
    // Whatever it is, it can be brought to where the verb begins.
    if (verb === 'hibernate' && alive.state === 'hibernated') alive = await resume(alive);
    if (verb === 'resume' && alive.state === 'ready') alive = await hibernate(alive);
    const asked = post(lab, `/api/vms/${vm.id}/${verb}`, verb === 'resume' ? {} : undefined).catch(
      (error: unknown) => error,
    );
    await pause(delayMs);
    process.kill(await lab.pid('host'), 'SIGKILL');
    await asked;
    await lab.up();
    const now = await settled(lab, vm, ['ready', 'hibernated', 'failed']);
    const { vmms } = await countTraces(lab.config);
    expect(vmms, `${verb} after ${delayMs} ms: ${now.state}`).toBe(now.state === 'ready' ? 1 : 0);
    if (now.state === 'failed') expect(now.failure?.detail, 'in words').toMatch(/\w+ \w+/);
    // That it says so is not enough: it works.
    else expect(await inVm(lab, vm, 'hostname')).toBe(`${vm.id}\n`);
    alive = now.state === 'failed' ? null : await showVm(lab, vm);
  }
  await remove(vm);
});

test('a browser VM, a VM that boots, and one that there is not, are refused in words', async () => {
  const booting = vmSchema.parse(await lab.json(['vm', 'create', '--kind', 'browser', '--no-wait']));
  const refused = await post(lab, `/api/vms/${booting.id}/hibernate`);
  expect(refused.status).toBe(409);
  expect(problemSchema.parse(await refused.json()).code).toBe('not_hibernatable');
  const forked = await post(lab, `/api/vms/${booting.id}/fork`);
  expect(forked.status).toBe(409);
  await remove(booting);
  for (const verb of ['hibernate', 'resume', 'fork']) {
    const unknown = await lab.cli(['vm', verb, 'vm-000000000000']);
    expect(unknown.exitCode, verb).not.toBe(0);
    expect(unknown.stderr, verb).toMatch(/no(t| )/i);
  }
});

test('a disk that is full while a VM is saved: the VM goes on as it was, and nothing half-made is left', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-small-'));
  await runFile('chmod', ['755', folder]);
  const disk = join(folder, 'disk');
  const small = join(folder, 'mounted');
  await mkdir(small);
  await runFile('truncate', ['-s', '3G', disk]);
  await runFile('mkfs.ext4', ['-q', '-m', '0', disk]);
  await runFile('mount', ['-o', 'loop', disk, small]);
  const own = await makeLab({ stateDir: join(small, 'state'), vms: { snapshots: { golden: true } } });
  const filler = join(small, 'filler');
  try {
    await own.up();
    await waitForGoldens(own, ['cli']);
    const vm = await createVm(own);
    const before = (await readdir(vmPaths(own.config, vm.id).folder)).sort();
    await inVm(own, vm, 'echo here > /dev/shm/file');
    // All but a few MiB of it; the guest's own disk has what it needs already.
    const { stdout } = await runFile('df', ['--output=avail', '-B1', small]);
    const free = Number(stdout.trim().split('\n')[1]);
    await runFile('fallocate', ['-l', String(free - 24 * 1024 * 1024), filler]);
    const refused = await own.cli(['vm', 'hibernate', vm.id, '--json']);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stdout + refused.stderr).toContain('disk_full');
    expect((await settled(own, vm, ['ready', 'failed'])).state).toBe('ready');
    expect(await inVm(own, vm, 'cat /dev/shm/file')).toBe('here\n');
    expect((await readdir(vmPaths(own.config, vm.id).folder)).sort()).toEqual(before);
    // And it sleeps once there is room.
    await rm(filler);
    const asleep = vmSchema.parse(await own.json(['vm', 'hibernate', vm.id]));
    expect(asleep.state).toBe('hibernated');
    expect(await inVm(own, vm, 'cat /dev/shm/file')).toBe('here\n');
  } finally {
    await own.dispose();
    await runFile('umount', [small]);
    await rm(folder, { recursive: true, force: true });
  }
});

test('a VM that nobody uses falls asleep by the policy', async () => {
  const own = await makeLab({
    vms: { snapshots: { golden: true }, hibernate: { afterIdleMinutes: 0.2, deleteAfterDays: 0 } },
  });
  try {
    await own.up();
    await waitForGoldens(own, ['cli']);
    const vm = await createVm(own);
    expect(await inVm(own, vm, 'hostname')).toBe(`${vm.id}\n`);
    const asleep = await settled(own, vm, ['hibernated'], 120_000);
    expect(asleep.deletesAt, 'never').toBeNull();
    expect(await vmmPids(own.config)).toEqual([]);
  } finally {
    await own.dispose();
  }
});
