import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgress, type VmId } from '@hearth/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeTestMachine, type TestMachine } from './test-machine.ts';
import {
  dieAtEachWrite,
  expectTruth,
  testCredential,
  testRequest,
  testSize,
  untilState,
} from './test-truth.ts';
import type { VmHost } from './vm-host.ts';

const ID = 'vm-000000000001' as VmId;
const FORK = 'vm-000000000002' as VmId;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-hibernation-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const forever = new AbortController().signal;

/** A life with everything in it. */
async function live(host: VmHost): Promise<void> {
  host.create(ID, { ...testSize, ...testRequest() });
  await untilState(host, ID, 'ready');
  host.create(FORK, { ...testSize, ...testRequest(), forkOf: ID });
  await untilState(host, FORK, 'ready');
  await host.hibernate(ID);
  await host.resume(ID, { ...testRequest(), cold: false });
  await untilState(host, ID, 'ready');
  await host.hibernate(FORK);
  await host.hibernate(ID);
  await host.resume(ID, { ...testRequest(), cold: true });
  await untilState(host, ID, 'ready');
  await host.credentials(ID).put(testCredential, forever);
  await host.hibernate(ID);
  await host.resume(ID, { ...testRequest(), cold: false });
  await untilState(host, ID, 'ready');
}

describe('a VM that sleeps', () => {
  test('F44: holds nothing but files, and comes back with another address and the same machine-id', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...testSize, ...testRequest() });
    const before = await untilState(host, ID, 'ready');
    expect(before.origin).toBe('snapshot');
    await host.hibernate(ID);
    expect(host.get(ID)).toMatchObject({ state: 'hibernated', address: null, phases: [] });
    expect([machine.vmms.size, machine.taps.size, host.holding()]).toEqual([0, 0, []]);
    await host.resume(ID, { ...testRequest(), cold: false });
    const after = await untilState(host, ID, 'ready');
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
    host.create(ID, { ...testSize, ...testRequest() });
    await untilState(host, ID, 'ready');
    machine.diskFull.on = true;
    await expect(host.hibernate(ID)).rejects.toMatchObject({ code: 'disk_full' });
    expect(host.get(ID).state).toBe('ready');
    await expectTruth(machine, host);
  });

  test('stays asleep where its memory is damaged, and boots from its disk where asked to', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...testSize, ...testRequest() });
    await untilState(host, ID, 'ready');
    await host.hibernate(ID);
    await writeFile(join(machine.stateDir, 'vms', ID, 'saved.state'), `memory of vm-00000000000X null`);
    await expect(host.resume(ID, { ...testRequest(), cold: false })).rejects.toMatchObject({
      code: 'snapshot_invalid',
    });
    expect(host.get(ID)).toMatchObject({ state: 'hibernated', failure: { code: 'snapshot_invalid' } });
    await host.resume(ID, { ...testRequest(), cold: true });
    expect((await untilState(host, ID, 'ready')).origin).toBe('image');
    await expectTruth(machine, host);
  });

  test('falls asleep again, with the cause, where the VMM refuses its memory', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...testSize, ...testRequest() });
    await untilState(host, ID, 'ready');
    await host.hibernate(ID);
    machine.refuseLoad.next = true;
    await host.resume(ID, { ...testRequest(), cold: false });
    const back = await untilState(host, ID, 'ready', 'hibernated');
    expect(back).toMatchObject({ state: 'hibernated', failure: { code: 'snapshot_invalid' } });
    await host.resume(ID, { ...testRequest(), cold: false });
    expect(await untilState(host, ID, 'ready')).toMatchObject({ failure: null });
    await expectTruth(machine, host);
  });

  test('a golden snapshot that the VMM refuses is passed over for the image', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    machine.refuseLoad.next = true;
    host.create(ID, { ...testSize, ...testRequest() });
    expect((await untilState(host, ID, 'ready', 'failed')).origin).toBe('image');
    await expectTruth(machine, host);
  });

  test('what was used, or was not begun as one, becomes no golden snapshot', async () => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...testSize, ...testRequest() });
    host.create(FORK, { ...testSize, ...testRequest() }, { goldenMemory: join(folder, 'memory') });
    await untilState(host, ID, 'ready');
    await untilState(host, FORK, 'ready');
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
    expect(await dieAtEachWrite(folder, live)).toBeGreaterThan(40);
  },
);

describe('a VM that was given a credential', () => {
  const withCredential = async (): Promise<{ machine: TestMachine; host: VmHost }> => {
    const machine = await makeTestMachine(folder);
    const { host } = machine.daemon();
    host.create(ID, { ...testSize, ...testRequest() });
    await untilState(host, ID, 'ready');
    await host.credentials(ID).put(testCredential, forever);
    return { machine, host };
  };

  test('has it until it is dropped', async () => {
    const { machine, host } = await withCredential();
    expect(await host.credentials(ID).get('claude_code', forever)).toEqual(testCredential);
    expect(await host.credentials(ID).drop('claude_code', forever)).toEqual(testCredential);
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
    await host.resume(ID, { ...testRequest(), cold: false });
    expect((await untilState(host, ID, 'ready')).origin).toBe('image');
    // Nothing secret was in it since: its memory may be saved.
    await host.hibernate(ID);
    expect(await readdir(join(machine.stateDir, 'vms', ID))).toContain('saved.state');
    await expectTruth(machine, host);
  });

  test('is not copied while it runs; powered off, its disk is', async () => {
    const { machine, host } = await withCredential();
    host.create(FORK, { ...testSize, ...testRequest(), forkOf: ID });
    expect(await untilState(host, FORK, 'ready', 'failed')).toMatchObject({
      state: 'failed',
      failure: { code: 'not_hibernatable' },
    });
    await host.destroy(FORK);
    await host.hibernate(ID);
    host.create(FORK, { ...testSize, ...testRequest(), forkOf: ID });
    expect((await untilState(host, FORK, 'ready')).origin).toBe('image');
    await expectTruth(machine, host);
  });

  test('keeps its disk, somebody’s home, where its VMM dies', async () => {
    const { machine, host } = await withCredential();
    for (const [pid, process] of machine.vmms) {
      machine.vmms.delete(pid);
      process.exited.resolve('killed from outside');
    }
    expect(await untilState(host, ID, 'hibernated', 'failed')).toMatchObject({
      state: 'hibernated',
      failure: { code: 'vmm_failed' },
    });
    await host.resume(ID, { ...testRequest(), cold: false });
    expect(await untilState(host, ID, 'ready')).toMatchObject({ origin: 'image', failure: null });
    await expectTruth(machine, host);
  });
});
