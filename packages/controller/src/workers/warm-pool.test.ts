import {
  HearthError,
  vmListSchema,
  vmSchema,
  type ConfigInput,
  type ImageId,
  type Vm,
  type VmKind,
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
let admin: string;

const start = async (warm: NonNullable<ConfigInput['vms']>['warm'], maxVmsPerUser = 100): Promise<void> => {
  api = await startTestController(host.socketPath, { controller: { maxVmsPerUser }, vms: { warm } });
  [ana, admin] = await Promise.all([api.token('ana'), api.token('root', 'admin')]);
  await until('the subscription', () => host.eventStreams() === 1);
};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'), { goldenKinds: ['cli', 'browser'], bootMs: 4 });
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const list = async (token: string, query = ''): Promise<Vm[]> =>
  vmListSchema.parse(await (await api.call(token, 'GET', `/api/vms${query}`)).json()).vms;
const warm = async (): Promise<Vm[]> =>
  (await list(admin, '?all=true')).filter(({ userId, state }) => userId === null && state !== 'deleted');
const waiting = (count: number): Promise<void> =>
  until(`${count} warm VMs`, async () => {
    const vms = await warm();
    return vms.length === count && vms.every(({ state }) => state === 'ready');
  });
const post = (body: unknown = { kind: 'cli' }, headers: Record<string, string> = {}): Promise<Response> =>
  api.call(ana, 'POST', '/api/vms', { body, headers });
const vmOf = async (answer: Response): Promise<Vm> => {
  expect(answer.status).toBe(201);
  return vmSchema.parse(await answer.json());
};

describe('taking a warm VM', () => {
  it('gives one that is ready, counted from the call, and the pool fills up again', async () => {
    await start({ cli: 1, browser: 0 });
    await waiting(1);
    const [before] = await warm();
    const vm = await vmOf(await post());
    expect(vm).toMatchObject({ id: before?.id, state: 'ready', ip: before?.ip, origin: 'snapshot' });
    expect(vm.timeline.phases.map(({ phase }) => phase)).toEqual(['taken', 'ready']);
    expect(vm.timeline.startedAt).toBe(vm.createdAt);
    expect(Date.parse(vm.readyAt ?? '')).toBeGreaterThanOrEqual(Date.parse(vm.createdAt));
    await waiting(1);
    const again = vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${vm.id}`)).json());
    expect(again.timeline).toEqual(vm.timeline);
  });

  it('50 calls at once never get the same VM', async () => {
    host.script.memMiB = 200_000;
    await start({ cli: 5, browser: 0, memMiB: 100_000 });
    await waiting(1);
    for (let round = 0; round < 5; round += 1) await vmOf(await post());
    await waiting(5);
    const answers = await Promise.all(Array.from({ length: 50 }, () => post().then(vmOf)));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(50);
    const fromPool = answers.filter(({ timeline }) => timeline.phases[0]?.phase === 'taken');
    expect(fromPool.length).toBeGreaterThanOrEqual(5);
    const mine = await list(ana);
    expect(mine).toHaveLength(55);
    expect(new Set(mine.map(({ userId }) => userId)).size).toBe(1);
  });

  it('F30: keeps to the quota, and to the Idempotency-Key', async () => {
    await start({ cli: 1, browser: 0 }, 1);
    await waiting(1);
    const first = await vmOf(await post({ kind: 'cli' }, { 'idempotency-key': 'once' }));
    await waiting(1);
    const again = await post({ kind: 'cli' }, { 'idempotency-key': 'once' });
    expect([again.headers.get('idempotent-replayed'), (await vmOf(again)).id]).toEqual(['true', first.id]);
    expect(await refused(await post())).toMatchObject({ code: 'quota_exceeded' });
    await waiting(1);
  });

  it.each([
    { kind: 'cli', memMiB: 4096 },
    { kind: 'cli', start: 'cold' },
    { kind: 'browser', desktop: { width: 800, height: 600 } },
  ])('is not for %j', async (body) => {
    await start({ cli: 1, browser: 1 });
    await waiting(2);
    const ids = (await warm()).map(({ id }) => id);
    const vm = await vmOf(await post(body));
    expect(vm.state).not.toBe('ready');
    expect(ids).not.toContain(vm.id);
  });

  it('passes over one that died without a word', async () => {
    await start({ cli: 1, browser: 0 });
    await waiting(1);
    const [dead] = await warm();
    if (dead !== undefined) host.machines.lose(dead.id);
    const vm = await vmOf(await post());
    expect([vm.state, vm.id === dead?.id]).toEqual(['starting', false]);
  });

  it('is the only way into it: nobody sees, uses, hibernates or forks what nobody owns', async () => {
    await start({ cli: 1, browser: 0 });
    await waiting(1);
    const [vm] = await warm();
    const path = `/api/vms/${vm?.id ?? ''}`;
    expect(await list(ana)).toEqual([]);
    expect(await refused(await api.call(ana, 'GET', path))).toMatchObject({ code: 'not_found' });
    const exec = { body: { command: ['echo'] } };
    expect(await refused(await api.call(admin, 'POST', `${path}/exec`, exec))).toMatchObject({
      code: 'vm_not_ready',
    });
    for (const verb of ['hibernate', 'fork'])
      expect(await refused(await api.call(admin, 'POST', `${path}/${verb}`))).toMatchObject({
        code: 'not_hibernatable',
      });
    expect(host.executions.running.size).toBe(0);
  });
});

describe('the pool', () => {
  it('waits for a golden snapshot', async () => {
    host.script.goldenKinds = [];
    await start({ cli: 1, browser: 1 });
    await api.controller.pool.run();
    expect(host.machines.list()).toEqual([]);
    host.script.goldenKinds = ['cli'];
    await api.controller.pool.run();
    await waiting(1);
    expect((await warm())[0]?.kind).toBe('cli');
  });

  it('grows with the demand', async () => {
    await start({ cli: 3, browser: 0, memMiB: 100_000 });
    await waiting(1);
    for (const wanted of [1, 2, 3]) {
      await vmOf(await post());
      await waiting(wanted);
    }
  });

  it('leaves a person’s VM the machine while it boots', async () => {
    await start({ cli: 1, browser: 0 });
    await waiting(1);
    host.script.holdBoot = true;
    const own = await vmOf(await post({ kind: 'cli', start: 'cold' }));
    await vmOf(await post());
    await api.controller.pool.run();
    expect(await warm()).toEqual([]);
    host.script.holdBoot = false;
    await api.call(ana, 'DELETE', `/api/vms/${own.id}?wait=true`);
    await waiting(1);
  });

  it.each<[string, VmKind, number]>([
    ['F30: memory', 'browser', 2048 + 4096 + 4096],
    ['F30: memory, for all of them', 'cli', 2048 + 4096 + 4096],
  ])('gives way where a person’s VM needs its room: %s', async (_why, kind, memMiB) => {
    host.script.memMiB = memMiB;
    await start({ cli: 1, browser: 1 });
    await waiting(2);
    const need = kind === 'cli' ? memMiB - 1024 : 2048 + 4096;
    const vm = await vmOf(await post({ kind, memMiB: need }));
    expect(vm.state).toBe('starting');
    await until('ready', () => host.machines.get(vm.id)?.state === 'ready');
    expect((await warm()).length).toBe(kind === 'cli' ? 0 : 1);
  });

  it('gives way where a person’s VM needs its address, at a fork and a resumption, too', async () => {
    await start({ cli: 1, browser: 0 });
    await waiting(1);
    const vm = await vmOf(await post());
    await waiting(1);
    host.script.addresses = 2;
    const copy = await api.call(ana, 'POST', `/api/vms/${vm.id}/fork`);
    await vmOf(copy);
    expect(await warm()).toEqual([]);
    expect(await refused(await post())).toMatchObject({ code: 'addresses_exhausted' });
    await api.call(ana, 'POST', `/api/vms/${vm.id}/hibernate`);
    host.script.addresses = 10;
    await api.controller.pool.run();
    await waiting(1);
    host.script.addresses = 2;
    expect((await api.call(ana, 'POST', `/api/vms/${vm.id}/resume`, { body: {} })).status).toBe(202);
    expect(await warm()).toEqual([]);
  });

  it('refuses a person only after all of it is given up, and tells why', async () => {
    host.script.memMiB = 10_240;
    await start({ cli: 1, browser: 1 });
    await waiting(2);
    await vmOf(await post({ kind: 'cli', memMiB: 6000 }));
    expect(await refused(await post({ kind: 'cli', memMiB: 6000 }))).toMatchObject({
      code: 'capacity_exceeded',
    });
    expect(await warm()).toEqual([]);
  });

  it('replaces what is of another image', async () => {
    await start({ cli: 1, browser: 0 });
    await waiting(1);
    const [old] = await warm();
    host.script.imageId = 'img-0123456789ac' as ImageId;
    await api.controller.pool.run();
    await until('the other image', async () => {
      const [vm] = await warm();
      return vm?.id !== old?.id && vm?.state === 'ready' && vm.imageId === host.script.imageId;
    });
    expect(host.machines.list()).toHaveLength(1);
  });

  it('removes what failed, and does not try again and again', async () => {
    host.script.failBoot = new HearthError('snapshot_invalid', 'sha256 differs');
    await start({ cli: 1, browser: 0 });
    await until('the failure', () => api.logged.join('').includes('a warm VM is given up'));
    await until('the removal', () => host.machines.list().length === 0);
    await api.controller.pool.run();
    await api.controller.pool.run();
    expect(host.calls.filter(({ method }) => method === 'PUT')).toHaveLength(1);
  });

  it('does nothing where none is wanted but remove what is left of it', async () => {
    await start({ cli: 0, browser: 0 });
    await api.controller.pool.run();
    await vmOf(await post());
    expect(host.calls.filter(({ path }) => path === '/v1/snapshots')).toEqual([]);
    const [vm] = await list(ana);
    await until('ready', () => host.machines.get(vm?.id ?? ('' as Vm['id']))?.state === 'ready');
    await api.db.updateTable('vms').set({ user_id: null }).execute();
    await api.controller.pool.run();
    expect(await warm()).toEqual([]);
    expect(host.machines.list()).toEqual([]);
  });
});

describe('a warm VM that does not answer', () => {
  it('is given to nobody, and another one takes its place', async () => {
    await start({ cli: 1, browser: 0 });
    await waiting(1);
    const [ill] = await warm();
    if (ill === undefined) throw new Error('no warm VM');
    host.machines.sicken(ill.id, 'agent_hung');
    const vm = await vmOf(await post());
    expect(vm.id).not.toBe(ill.id);
    await until('another one', async () => {
      const [next, ...others] = await warm();
      return next?.state === 'ready' && next.id !== ill.id && next.finding === null && others.length === 0;
    });
    expect(host.machines.get(ill.id)).toBeUndefined();
  });
});
