import {
  drainStateSchema,
  driftReportSchema,
  hostStateSchema,
  sweepReportSchema,
  userListSchema,
  userSchema,
  vmSchema,
  type DrainState,
  type User,
  type VmId,
} from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refused } from '../test-problem.ts';
import { startTestController, until, type TestController } from '../test-controller.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;
let bob: string;
let admin: string;

const start = async (): Promise<void> => {
  api = await startTestController(host.socketPath, {
    controller: { maxVmsPerUser: 3, maxMemMiBPerUser: 4096 },
    vms: { warm: { cli: 0, browser: 1 } },
  });
  [ana, bob, admin] = await Promise.all([api.token('ana'), api.token('bob'), api.token('root', 'admin')]);
  await until('the subscription', () => host.eventStreams() === 1);
};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-host-'));
  host = await startFakeHost(join(folder, 'host.sock'), { bootMs: 4 });
  await start();
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const create = (token = ana, body: object = {}): Promise<Response> =>
  api.call(token, 'POST', '/api/vms', { body: { kind: 'cli', ...body } });
const readyVm = async (token = ana): Promise<VmId> => {
  const { id } = vmSchema.parse(await (await create(token)).json());
  await until('ready', async () => (await show(id)) === 'ready');
  return id;
};
const show = async (id: string): Promise<string> =>
  vmSchema.parse(await (await api.call(admin, 'GET', `/api/vms/${id}`)).json()).state;
const drain = async (body: object): Promise<DrainState> =>
  drainStateSchema.parse(await (await api.call(admin, 'PUT', '/api/host/drain', { body })).json());
const drained = async (): Promise<DrainState> =>
  drainStateSchema.parse(await (await api.call(admin, 'GET', '/api/host/drain')).json());
const sleep = (id: string): Promise<Response> => api.call(ana, 'POST', `/api/vms/${id}/hibernate`);
const wake = (id: string): Promise<Response> => api.call(ana, 'POST', `/api/vms/${id}/resume`, { body: {} });

describe('/api/host', () => {
  it('F41: is for administrators', async () => {
    const calls = [
      ['GET', '/api/host'],
      ['GET', '/api/host/drift'],
      ['POST', '/api/host/sweep'],
      ['GET', '/api/host/drain'],
      ['PUT', '/api/host/drain'],
      ['DELETE', '/api/host/breaker'],
      ['GET', '/api/users'],
      ['PUT', '/api/users/usr-aaaaaaaaaaaa/quota'],
    ] as const;
    for (const [method, path] of calls) {
      await refused(await api.call(ana, method, path), 'forbidden');
      await refused(await api.call(null, method, path), 'unauthenticated');
    }
  });

  it('shows what is free, what drifted and who does not answer', async () => {
    const id = await readyVm();
    host.machines.sicken(id, 'vmm_stopped');
    const part = {
      subject: 'tap',
      name: 'hth-02',
      vmId: id,
      expected: 'up',
      found: 'down',
      detail: '',
    } as const;
    host.upkeep.drifts = [
      { ...part, outcome: 'named' },
      { ...part, outcome: 'repaired' },
    ];
    const state = async () => hostStateSchema.parse(await (await api.call(admin, 'GET', '/api/host')).json());
    await until('the finding', async () => (await state()).unhealthy.length === 1);
    expect(await state()).toMatchObject({
      ...{ draining: false, drifts: 1, capacity: { cpus: 16 }, breaker: { state: 'closed', successes: 1 } },
      unhealthy: [{ vmId: id, finding: { cause: 'vmm_stopped' } }],
    });
    await host.stop();
    await refused(await api.call(admin, 'GET', '/api/host'), 'host_unreachable');
  });

  it('passes sweep and drift on', async () => {
    host.upkeep.leftovers = [{ kind: 'tap', name: 'hth-99', detail: 'of no VM', removed: null }];
    const sweep = async (body: object) =>
      sweepReportSchema.parse(await (await api.call(admin, 'POST', '/api/host/sweep', { body })).json());
    expect((await sweep({ dryRun: true })).leftovers).toMatchObject([{ name: 'hth-99', removed: null }]);
    expect((await sweep({})).leftovers).toMatchObject([{ name: 'hth-99', removed: true }]);
    expect((await sweep({ dryRun: true })).leftovers).toEqual([]);
    await refused(
      await api.call(admin, 'POST', '/api/host/sweep', { body: { dryrun: true } }),
      'bad_request',
    );
    const drift = async (query: string) =>
      driftReportSchema.parse(await (await api.call(admin, 'GET', `/api/host/drift${query}`)).json());
    const first = await drift('');
    expect([(await drift('')).passes, (await drift('?now=true')).passes]).toEqual([
      first.passes,
      first.passes + 1,
    ]);
  });
});

describe('PUT /api/host/drain', () => {
  it('no VM is created or resumed while it drains, also by a controller that starts then', async () => {
    const asleep = await readyVm();
    await sleep(asleep);
    expect(await drain({ draining: true })).toEqual({
      draining: true,
      starting: 0,
      running: 0,
      hibernated: 1,
    });
    await refused(await create(), 'host_draining');
    await refused(await wake(asleep), 'host_draining');
    expect(await show(asleep)).toBe('hibernated');
    await api[Symbol.asyncDispose]();
    await start();
    await until('the controller to know', async () => (await create()).status === 503);
    expect(await drain({ draining: false })).toMatchObject({ draining: false });
    expect((await create()).status).toBe(201);
  });

  it('hibernates what nothing uses and deletes warm VMs; what is in use stays and is shown', async () => {
    host.script.goldenKinds = ['browser'];
    await api.controller.pool.run();
    await until('a warm VM', async () => (await drained()).running === 1);
    const idle = await readyVm();
    const used = await readyVm(bob);
    expect((await api.call(bob, 'POST', `/api/vms/${used}/terminals`, { body: {} })).status).toBe(201);
    await drain({ draining: true, hibernate: true });
    await until('the idle one to be hibernated', async () => (await show(idle)) === 'hibernated');
    await until('the warm VM to go', async () => {
      const { starting, running } = await drained();
      return starting === 0 && running === 1;
    });
    expect(await show(used)).toBe('ready');
    await api.controller.pool.run();
    expect(await drained()).toEqual({ draining: true, starting: 0, running: 1, hibernated: 1 });
    await drain({ draining: false });
    await until('a warm VM again', async () => (await drained()).running === 2);
    expect((await wake(idle)).status).toBe(202);
  });

  it('refuses a wrong body', async () => {
    await refused(await api.call(admin, 'PUT', '/api/host/drain', { body: { on: true } }), 'bad_request');
  });
});

describe('quotas', () => {
  const users = async (): Promise<User[]> =>
    userListSchema.parse(await (await api.call(admin, 'GET', '/api/users')).json()).users;
  const find = async (name: string): Promise<User> => {
    const user = (await users()).find((one) => one.name === name);
    if (user === undefined) throw new Error(`no user ${name}`);
    return user;
  };
  const setQuota = async (id: string, body: object): Promise<Response> =>
    api.call(admin, 'PUT', `/api/users/${id}/quota`, { body });

  it('F30: memory counts while a VM is awake, and the refusal says what is used', async () => {
    const first = await readyVm();
    await readyVm();
    const problem = await refused(await create(), 'quota_exceeded');
    expect(problem.detail).toBe('4096 MiB of memory are allowed, 4096 are in use, and this VM needs 2048');
    await sleep(first);
    expect((await find('ana')).used).toEqual({ vms: 2, memMiB: 2048, cpus: 2 });
    const third = await readyVm();
    // F30: a resumption takes memory again.
    await refused(await wake(first), 'quota_exceeded');
    expect(await show(first)).toBe('hibernated');
    expect((await refused(await create(), 'quota_exceeded')).detail).toBe('3 VMs are allowed, 3 are in use');
    await api.call(ana, 'DELETE', `/api/vms/${third}?wait=true`);
    expect((await wake(first)).status).toBe(202);
  });

  it('F30: of creations at the same time no more succeed than the quota allows', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => create()));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2);
    expect(host.machines.list()).toHaveLength(2);
  });

  it('an administrator sets one person’s, part by part, and takes it back', async () => {
    const { id, quota, ownQuota } = await find('ana');
    expect([quota, ownQuota]).toEqual([{ vms: 3, memMiB: 4096, cpus: null }, false]);
    const set = userSchema.parse(await (await setQuota(id, { memMiB: null, cpus: 3 })).json());
    expect(set).toMatchObject({ quota: { vms: 3, memMiB: null, cpus: 3 }, ownQuota: true });
    expect((await create()).status).toBe(201);
    expect((await refused(await create(), 'quota_exceeded')).detail).toBe(
      '3 CPUs are allowed, 2 are in use, and this VM needs 2',
    );
    expect((await create(bob)).status).toBe(201);
    expect((await create(ana, { cpus: 1 })).status).toBe(201);
    expect(userSchema.parse(await (await setQuota(id, {})).json())).toMatchObject({ quota, ownQuota: false });
    await setQuota(id, { vms: 0 });
    expect((await refused(await create(), 'quota_exceeded')).detail).toContain('0 VMs are allowed');
    await refused(await setQuota(id, { vms: -1 }), 'bad_request');
    await refused(await setQuota(id, { disks: 1 }), 'bad_request');
    await refused(await setQuota('usr-aaaaaaaaaaaa', { vms: 1 }), 'not_found');
  });

  it('tells the host whose turn each start is', async () => {
    const id = await readyVm();
    const { id: userId } = await find('ana');
    expect(host.machines.queueOf(id)).toBe(userId);
  });
});
