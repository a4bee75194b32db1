import { HearthError, vmSchema, type Vm, type VmId } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTestController, until, type TestController } from '../test-controller.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;
/** How far the controller's clock is ahead. */
let aheadMs = 0;

const start = async (hibernate = {}): Promise<void> => {
  api = await startTestController(
    host.socketPath,
    { vms: { hibernate } },
    { now: () => new Date(Date.now() + aheadMs) },
  );
  ana = await api.token('ana');
  await until('the subscription', () => host.eventStreams() === 1);
};
beforeEach(async () => {
  aheadMs = 0;
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const show = async (id: VmId): Promise<Vm> =>
  vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${id}`)).json());
const readyVm = async (kind: Vm['kind'] = 'cli'): Promise<VmId> => {
  const { id } = vmSchema.parse(await (await api.call(ana, 'POST', '/api/vms', { body: { kind } })).json());
  await until('ready', async () => (await show(id)).state === 'ready');
  return id;
};
const exec = (id: VmId, command: string[], signal: AbortSignal | null = null): Promise<Response> =>
  api.call(ana, 'POST', `/api/vms/${id}/exec`, { body: { command }, ...(signal === null ? {} : { signal }) });
const stateAfter = async (id: VmId, minutes: number): Promise<Vm['state']> => {
  aheadMs += minutes * MINUTE_MS;
  await api.controller.hibernate.run();
  return (await show(id)).state;
};

it('hibernates a CLI VM that nobody used for the time, and no browser VM', async () => {
  await start({ afterIdleMinutes: 30 });
  const id = await readyVm();
  const browser = await readyVm('browser');
  expect(await stateAfter(id, 29)).toBe('ready');
  expect(await stateAfter(id, 2)).toBe('hibernated');
  expect((await show(browser)).state).toBe('ready');
});

it('counts from the last use, which is written once a minute at most', async () => {
  await start({ afterIdleMinutes: 30 });
  const id = await readyVm();
  aheadMs += 20 * MINUTE_MS;
  await (await exec(id, ['echo'])).text();
  await until('the use', async () => (await show(id)).lastUsedAt !== null);
  const { version, lastUsedAt } = await show(id);
  await (await exec(id, ['echo'])).text();
  await api.controller.hibernate.run();
  expect(await show(id)).toMatchObject({ version, lastUsedAt });
  expect(await stateAfter(id, 20)).toBe('ready');
  expect(await stateAfter(id, 11)).toBe('hibernated');
});

it('leaves a VM alone while a command runs in it, and counts from its end', async () => {
  await start({ afterIdleMinutes: 30 });
  const id = await readyVm();
  const client = new AbortController();
  await exec(id, ['sleep'], client.signal);
  expect(await stateAfter(id, 120)).toBe('ready');
  client.abort();
  const endedMs = Date.now() + aheadMs;
  await until(
    'the end of the use',
    async () => Date.parse((await show(id)).lastUsedAt ?? '') >= endedMs - 1000,
  );
  expect(await stateAfter(id, 29)).toBe('ready');
  expect(await stateAfter(id, 2)).toBe('hibernated');
});

it('gives one that was resumed its full time', async () => {
  await start({ afterIdleMinutes: 30 });
  const id = await readyVm();
  await stateAfter(id, 31);
  await api.call(ana, 'POST', `/api/vms/${id}/resume`, { body: {} });
  await until('ready', async () => (await show(id)).state === 'ready');
  expect(await stateAfter(id, 29)).toBe('ready');
});

it('says once that it could not, and leaves the VM alone for a while', async () => {
  await start({ afterIdleMinutes: 30 });
  host.script.failHibernate = new HearthError('snapshot_failed', 'the VMM said no');
  const id = await readyVm();
  expect(await stateAfter(id, 31)).toBe('ready');
  expect(await stateAfter(id, 5)).toBe('ready');
  const lines = api.logged.filter((line) => line.includes('could not be hibernated'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('the VMM said no');
  host.script.failHibernate = null;
  expect(await stateAfter(id, 30)).toBe('hibernated');
});

it('deletes what was hibernated for its days, not before', async () => {
  await start({ afterIdleMinutes: 30, deleteAfterDays: 14 });
  const id = await readyVm();
  await stateAfter(id, 31);
  expect(await stateAfter(id, (14 * DAY_MS) / MINUTE_MS - 1)).toBe('hibernated');
  expect(await stateAfter(id, 2)).toBe('deleted');
  expect(host.machines.list()).toEqual([]);
});

it('does neither where the policy says never', async () => {
  await start({ afterIdleMinutes: 0, deleteAfterDays: 0 });
  const [idle, asleep] = [await readyVm(), await readyVm()];
  await api.call(ana, 'POST', `/api/vms/${asleep}/hibernate`);
  expect((await show(asleep)).deletesAt).toBeNull();
  expect(await stateAfter(idle, 100 * 24 * 60)).toBe('ready');
  expect((await show(asleep)).state).toBe('hibernated');
});
