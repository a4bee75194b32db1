import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgress, type GuestCredential, type HostVm, type VmId } from '@hearth/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeTestMachine, type TestMachine } from './test-machine.ts';
import type { VmHost } from './vm-host.ts';

const ID = 'vm-000000000001' as VmId;
const FORK = 'vm-000000000002' as VmId;
const SIZE = { kind: 'cli', cpus: 1, memMiB: 512, diskMiB: 1024, desktop: null } as const;
const request = () => ({ requestedAtMs: Date.now(), requestId: 'request-1' });

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-hibernation-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const until = (host: VmHost, id: VmId, ...states: HostVm['state'][]): Promise<HostVm> =>
  host.waitFor(
    id,
    ({ state }) => states.includes(state),
    startProgress({ what: `${id} in ${states.join()}`, timeoutMs: 10_000 }),
  );

/** Holds whatever happened: what a VM's state says is what there is, and a removal leaves nothing. */
async function expectTruth(machine: TestMachine, host: VmHost): Promise<void> {
  for (const { id } of host.list()) await until(host, id, 'ready', 'hibernated', 'failed');
  // What is given back after the state was told.
  await host.release();
  for (const { id, state, vmm, address, saved } of machine.journal.values()) {
    const processes = [...machine.vmms.values()].filter(({ spec }) => spec.vmId === id);
    expect(processes, `VMMs of a VM that is ${state}`).toHaveLength(state === 'ready' ? 1 : 0);
    if (state === 'ready') expect(processes[0]?.paused).toBe(false);
    expect([vmm !== null, address !== null], state).toEqual([state === 'ready', state === 'ready']);
    if (state !== 'failed') expect(await machine.hasDisk(id), 'its disk is never lost').toBe(true);
    if (state === 'ready') expect(saved, 'memory that has run on is not used again').toBeNull();
  }
  const booked = [...machine.addresses.values()].filter(({ freedOrder }) => freedOrder === null);
  expect(new Set(booked.map(({ tap }) => tap))).toEqual(machine.taps);
  const { host: next } = machine.daemon();
  await next.adopt();
  for (const { id } of next.list()) await next.destroy(id);
  expect([machine.vmms.size, machine.taps.size, machine.journal.size]).toEqual([0, 0, 0]);
  expect([...machine.addresses.values()].every(({ freedOrder }) => freedOrder !== null)).toBe(true);
}

const credential: GuestCredential = {
  ...{ provider: 'claude_code', kind: 'sign_in', version: 1, env: {} },
  files: [{ path: '.claude/.credentials.json', contentBase64: btoa('fake-token-NOT-A-TOKEN') }],
};
const forever = new AbortController().signal;

/** A life with everything in it. */
async function live(host: VmHost): Promise<void> {
  host.create(ID, { ...SIZE, ...request() });
  await until(host, ID, 'ready');
  host.create(FORK, { ...SIZE, ...request(), forkOf: ID });
  await until(host, FORK, 'ready');
  await host.hibernate(ID);
  await host.resume(ID, { ...request(), cold: false });
  await until(host, ID, 'ready');
  await host.hibernate(FORK);
  await host.hibernate(ID);
  await host.resume(ID, { ...request(), cold: true });
  await until(host, ID, 'ready');
  await host.credentials(ID).put(credential, forever);
  await host.hibernate(ID);
  await host.resume(ID, { ...request(), cold: false });
  await until(host, ID, 'ready');
}

describe('a VM that sleeps', () => {
  test('F44: holds nothing but files, and comes back with another address and the same machine-id', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...SIZE, ...request() });
    const before = await until(host, ID, 'ready');
    expect(before.origin).toBe('snapshot');
    await host.hibernate(ID);
    expect(host.get(ID)).toMatchObject({ state: 'hibernated', address: null, phases: [] });
    expect([machine.vmms.size, machine.taps.size, host.holding()]).toEqual([0, 0, []]);
    await host.resume(ID, { ...request(), cold: false });
    const after = await until(host, ID, 'ready');
    expect(after.origin).toBe('hibernation');
    expect(after.phases.map(({ phase }) => phase)).toEqual(
      expect.arrayContaining(['load', 'resume', 'identity', 'ready']),
    );
    expect(after.address?.ip).not.toBe(before.address?.ip);
    expect(after.address?.machineId).toBe(before.address?.machineId);
    await expectTruth(machine, host);
  });

  test('goes on as it was where its memory can’t be saved', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...SIZE, ...request() });
    await until(host, ID, 'ready');
    machine.diskFull.on = true;
    await expect(host.hibernate(ID)).rejects.toMatchObject({ code: 'disk_full' });
    expect(host.get(ID).state).toBe('ready');
    await expectTruth(machine, host);
  });

  test('stays asleep where its memory is damaged, and boots from its disk where asked to', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...SIZE, ...request() });
    await until(host, ID, 'ready');
    await host.hibernate(ID);
    await writeFile(join(machine.stateDir, 'vms', ID, 'saved.state'), `memory of vm-00000000000X null`);
    await expect(host.resume(ID, { ...request(), cold: false })).rejects.toMatchObject({
      code: 'snapshot_invalid',
    });
    expect(host.get(ID)).toMatchObject({ state: 'hibernated', failure: { code: 'snapshot_invalid' } });
    await host.resume(ID, { ...request(), cold: true });
    expect((await until(host, ID, 'ready')).origin).toBe('image');
    await expectTruth(machine, host);
  });

  test('falls asleep again, with the cause, where the VMM refuses its memory', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...SIZE, ...request() });
    await until(host, ID, 'ready');
    await host.hibernate(ID);
    machine.refuseLoad.next = true;
    await host.resume(ID, { ...request(), cold: false });
    const back = await until(host, ID, 'ready', 'hibernated');
    expect(back).toMatchObject({ state: 'hibernated', failure: { code: 'snapshot_invalid' } });
    await host.resume(ID, { ...request(), cold: false });
    expect(await until(host, ID, 'ready')).toMatchObject({ failure: null });
    await expectTruth(machine, host);
  });

  test('a golden snapshot that the VMM refuses is passed over for the image', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    machine.refuseLoad.next = true;
    host.create(ID, { ...SIZE, ...request() });
    expect((await until(host, ID, 'ready', 'failed')).origin).toBe('image');
    await expectTruth(machine, host);
  });

  test('what was used, or was not begun as one, becomes no golden snapshot', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...SIZE, ...request() });
    host.create(FORK, { ...SIZE, ...request() }, { goldenMemory: join(folder, 'memory') });
    await until(host, ID, 'ready');
    await until(host, FORK, 'ready');
    const progress = startProgress({ what: 'test', timeoutMs: 5000 });
    await expect(host.saveGolden(ID, join(folder, 's'), progress)).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(() => host.makersEndpoint(ID)).toThrow(/golden/);
    await expect(host.hibernate(FORK)).rejects.toMatchObject({ code: 'not_hibernatable' });
    host.makersEndpoint(FORK);
    host.endpoint(FORK);
    await expect(host.saveGolden(FORK, join(folder, 's'), progress)).rejects.toMatchObject({
      code: 'conflict',
    });
    await expectTruth(machine, host);
  });
});

test(
  'F19: a daemon that dies at any write of its journal leaves what the next one makes true',
  { timeout: 120_000 },
  async () => {
    const whole = await makeTestMachine(join(folder, 'whole'));
    const first = whole.daemon();
    await live(first.host);
    const total = first.writes();
    await expectTruth(whole, first.host);
    expect(total).toBeGreaterThan(40);
    for (let diesAt = 1; diesAt <= total; diesAt += 1) {
      const machine = await makeTestMachine(join(folder, `${diesAt}`));
      const { host, died } = machine.daemon(diesAt);
      // Nobody waits for a daemon that died.
      void live(host).catch(() => undefined);
      await died;
      const next = machine.daemon();
      await next.host.adopt();
      await expectTruth(machine, next.host);
    }
  },
);

describe('a VM that was given a credential', () => {
  const withCredential = async (): Promise<{ machine: TestMachine; host: VmHost }> => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...SIZE, ...request() });
    await until(host, ID, 'ready');
    await host.credentials(ID).put(credential, forever);
    return { machine, host };
  };

  test('has it until it is dropped', async () => {
    const { machine, host } = await withCredential();
    expect(await host.credentials(ID).get('claude_code', forever)).toEqual(credential);
    expect(await host.credentials(ID).drop('claude_code', forever)).toEqual(credential);
    await expect(host.credentials(ID).get('claude_code', forever)).rejects.toMatchObject({
      code: 'not_found',
    });
    await expectTruth(machine, host);
  });

  test('is powered off instead of saved: no memory of it is ever on the disk; and it comes back from its disk', async () => {
    const { machine, host } = await withCredential();
    await host.hibernate(ID);
    expect(host.get(ID)).toMatchObject({ state: 'hibernated', failure: null, credentials: [] });
    expect(await readdir(join(machine.stateDir, 'vms', ID))).not.toContain('saved.state');
    await host.resume(ID, { ...request(), cold: false });
    expect((await until(host, ID, 'ready')).origin).toBe('image');
    // Nothing secret was in it since: its memory may be saved.
    await host.hibernate(ID);
    expect(await readdir(join(machine.stateDir, 'vms', ID))).toContain('saved.state');
    await expectTruth(machine, host);
  });

  test('is not copied while it runs; powered off, its disk is', async () => {
    const { machine, host } = await withCredential();
    host.create(FORK, { ...SIZE, ...request(), forkOf: ID });
    expect(await until(host, FORK, 'ready', 'failed')).toMatchObject({
      state: 'failed',
      failure: { code: 'not_hibernatable' },
    });
    await host.destroy(FORK);
    await host.hibernate(ID);
    host.create(FORK, { ...SIZE, ...request(), forkOf: ID });
    expect((await until(host, FORK, 'ready')).origin).toBe('image');
    await expectTruth(machine, host);
  });

  test('keeps its disk, somebody’s home, where its VMM dies', async () => {
    const { machine, host } = await withCredential();
    for (const [pid, process] of machine.vmms) {
      machine.vmms.delete(pid);
      process.exited.resolve('killed from outside');
    }
    expect(await until(host, ID, 'hibernated', 'failed')).toMatchObject({
      state: 'hibernated',
      failure: { code: 'vmm_failed' },
    });
    await host.resume(ID, { ...request(), cold: false });
    expect(await until(host, ID, 'ready')).toMatchObject({ origin: 'image', failure: null });
    await expectTruth(machine, host);
  });
});
