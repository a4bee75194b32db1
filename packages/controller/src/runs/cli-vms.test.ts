import { HearthError, Secret, vmSchema, type Vm } from '@hearth/contract';
import type { FakeRun } from '@hearth/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startRunRig, type RunRig } from '../http/test-runs.ts';
import { until } from '../test-controller.ts';

let rig: RunRig;
let ana: string;
beforeEach(async () => {
  rig = await startRunRig({ vms: { hibernate: { afterIdleMinutes: 0 } } });
  ana = await rig.person('ana');
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});
const call = async (method: string, path: string, body?: object): Promise<Vm> =>
  vmSchema.parse(await (await rig.api.call(ana, method, path, body === undefined ? {} : { body })).json());

it('first runs at the same time make one home, of each person their own', async () => {
  const bob = await rig.person('bob');
  const runs = await Promise.all(['1', '2', '3'].map((prompt) => rig.begin(ana, prompt)));
  const his = await rig.begin(bob, 'mine');
  const vms = new Set<string | null>();
  for (const { id } of runs) vms.add((await rig.becomes(ana, id, 'succeeded')).vmId);
  expect(vms.size).toBe(1);
  expect(vms).not.toContain((await rig.becomes(bob, his.id, 'succeeded')).vmId);
  expect(rig.host.machines.list()).toHaveLength(2);
});

it('F23: whoever has a CLI VM works in that one, and keeps it though there is a newer one', async () => {
  const first = await call('POST', '/api/vms', { kind: 'cli' });
  const { id } = await rig.begin(ana, 'x');
  expect((await rig.becomes(ana, id, 'succeeded')).vmId).toBe(first.id);
  await call('POST', '/api/vms', { kind: 'cli' });
  const next = await rig.begin(ana, 'y');
  expect((await rig.becomes(ana, next.id, 'succeeded')).vmId).toBe(first.id);
});

it('a hibernated home is resumed for a run, and never deleted for its age', async () => {
  const { id } = await rig.begin(ana, 'x');
  const { vmId } = await rig.becomes(ana, id, 'succeeded');
  await until('the run to leave the guest', () => rig.host.runs.kept.size === 0);
  expect((await call('POST', `/api/vms/${vmId}/hibernate`)).state).toBe('hibernated');
  await rig.api.controller.hibernate.run();
  expect(await call('GET', `/api/vms/${vmId}`)).toMatchObject({ state: 'hibernated', deletesAt: null });
  const other = await call('POST', '/api/vms', { kind: 'cli' });
  await until('the other', async () => (await call('GET', `/api/vms/${other.id}`)).state === 'ready');
  await call('POST', `/api/vms/${other.id}/hibernate`);
  await rig.api.controller.hibernate.run();
  expect((await call('GET', `/api/vms/${other.id}`)).deletesAt).not.toBeNull();
  const next = await rig.begin(ana, 'y');
  expect((await rig.becomes(ana, next.id, 'succeeded')).vmId).toBe(vmId);
});

it('a run waits for room on the host, without being tried all the time', async () => {
  rig.host.script.refuseCreate = new HearthError('capacity_exceeded', '100 MiB are free');
  const waits = await rig.begin(ana, 'no room');
  await until('the wait', async () => (await rig.show(ana, waits.id)).waitingFor === 'room on the host');
  const tries = (await rig.show(ana, waits.id)).version;
  expect(tries).toBeLessThan(8);
  rig.host.script.refuseCreate = null;
  await until('its end', async () => (await rig.show(ana, waits.id)).state === 'succeeded');
});

it('a sign-in that another VM uses is waited for', async () => {
  const held: FakeRun[] = [];
  rig.host.runs.script.play = (run) => void held.push(run);
  const userId = await rig.userId(ana);
  const whose = { userId, provider: 'claude_code' } as const;
  const [one, two] = [
    await call('POST', '/api/vms', { kind: 'cli' }),
    await call('POST', '/api/vms', { kind: 'cli' }),
  ];
  await rig.api.controller.credentials.storeApiKey(
    whose,
    new Secret('sk-ant-fake-shared-NOT-A-TOKEN'),
    userId,
  );
  // An API key has no owner: both run at once.
  const both = [await rig.begin(ana, '1', { vmId: one.id }), await rig.begin(ana, '2', { vmId: two.id })];
  for (const { id } of both) await rig.becomes(ana, id, 'running');
  for (const run of held.splice(0)) run.exit(0);
  for (const { id } of both) await rig.becomes(ana, id, 'succeeded');
  // Of a sign-in there is one owner.
  await rig.api.db.updateTable('credentials').set({ kind: 'sign_in' }).execute();
  const first = await rig.begin(ana, '3', { vmId: one.id });
  await rig.becomes(ana, first.id, 'running');
  const second = await rig.begin(ana, '4', { vmId: two.id });
  await until(
    'the wait',
    async () => (await rig.show(ana, second.id)).waitingFor?.includes('another VM') === true,
  );
  expect((await rig.show(ana, second.id)).position).toBe(0);
  for (const run of held.splice(0)) run.exit(0);
  await rig.becomes(ana, first.id, 'succeeded');
  await rig.becomes(ana, second.id, 'running');
  for (const run of held) run.exit(0);
  await rig.becomes(ana, second.id, 'succeeded');
});
