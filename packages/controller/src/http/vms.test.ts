import { HearthError, vmListSchema, vmSchema, type Vm } from '@hearth/contract';
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

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, { controller: { maxVmsPerUser: 3 } });
  [ana, bob, admin] = await Promise.all([api.token('ana'), api.token('bob'), api.token('root', 'admin')]);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const create = async (token = ana, body: unknown = { kind: 'cli' }): Promise<Vm> => {
  const answer = await api.call(token, 'POST', '/api/vms', { body });
  expect(answer.status).toBe(201);
  return vmSchema.parse(await answer.json());
};
const show = async (id: string, token = ana): Promise<Vm> =>
  vmSchema.parse(await (await api.call(token, 'GET', `/api/vms/${id}`)).json());
const becomes = (id: string, state: Vm['state']): Promise<void> =>
  until(`${id} to be ${state}`, async () => (await show(id, admin)).state === state);
describe('creating', () => {
  it('hands the VM to the host and follows it to ready', async () => {
    const vm = await create();
    expect(vm).toMatchObject({ state: 'starting', kind: 'cli', memMiB: 2048, failure: null });
    await becomes(vm.id, 'ready');
    const ready = await show(vm.id);
    expect(ready.ip).toMatch(/^192\.168\.100\./);
    expect(ready.timeline.phases.at(-1)?.phase).toBe('ready');
    expect(ready.timeline.startedAt).toBe(ready.createdAt);
  });

  it('passes the correlation id to the host', async () => {
    await api.call(ana, 'POST', '/api/vms', {
      body: { kind: 'cli' },
      headers: { 'x-request-id': 'from-the-client' },
    });
    expect(host.calls.find(({ method }) => method === 'PUT')?.requestId).toBe('from-the-client');
  });

  it.each([
    [{}, ['kind']],
    [{ kind: 'desktop' }, ['kind']],
    [{ kind: 'cli', memory: 1, colour: 'red' }, ['memory', 'colour']],
    [{ kind: 'cli', cpus: 0, memMiB: 'much', diskMiB: 1.5 }, ['cpus', 'memMiB', 'diskMiB']],
    [{ kind: 'cli', memMiB: 256 }, ['memMiB']],
    [{ kind: 'browser', memMiB: 2048 }, ['memMiB']],
    [{ kind: 'cli', memMiB: 10_000_000, cpus: 1000 }, ['cpus', 'memMiB']],
    [{ kind: 'cli', diskMiB: 1 }, ['diskMiB']],
    [[], ['']],
    ['null', ['']],
  ])('refuses %j and names every wrong field', async (body, issues) => {
    const answer = await refused(await api.call(ana, 'POST', '/api/vms', { body }));
    expect(answer).toMatchObject({ status: 400, code: 'bad_request', issues });
    expect(host.calls.filter(({ method }) => method === 'PUT')).toEqual([]);
    expect(vmListSchema.parse(await (await api.call(ana, 'GET', '/api/vms')).json()).vms).toEqual([]);
  });

  it('F30: keeps to the quota of the user, also when asked at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 201, 201, 429, 429, 429]);
    const last = answers.find(({ status }) => status === 429);
    expect(last === undefined ? null : await refused(last)).toMatchObject({ code: 'quota_exceeded' });
    await create(bob);
  });

  it('F30: refuses what the host has no room for now', async () => {
    host.script.memMiB = 8192;
    await create(ana, { kind: 'cli', memMiB: 6000 });
    const answer = await refused(
      await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli', memMiB: 4000 } }),
    );
    expect(answer).toMatchObject({ status: 503, code: 'capacity_exceeded' });
  });

  it('leaves nothing behind where the host is away or refuses', async () => {
    host.script.refuseCreate = new HearthError('addresses_exhausted', 'all 253 are taken');
    const refusal = await refused(await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } }));
    expect(refusal).toMatchObject({ status: 503, code: 'addresses_exhausted', detail: 'all 253 are taken' });
    await host.stop();
    const headers = { 'idempotency-key': 'again' };
    const away = await refused(await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' }, headers }));
    expect(away).toMatchObject({ status: 503, code: 'host_unreachable' });
    expect(vmListSchema.parse(await (await api.call(ana, 'GET', '/api/vms')).json()).vms).toEqual([]);
    host.script.refuseCreate = null;
    await host.restart();
    expect((await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' }, headers })).status).toBe(201);
  });

  it('keeps the cause of a boot that failed', async () => {
    host.script.failBoot = new HearthError('kernel_panic', 'VFS: Unable to mount root fs');
    const vm = await create();
    await becomes(vm.id, 'failed');
    expect((await show(vm.id)).failure).toMatchObject({
      code: 'kernel_panic',
      layer: 'guest',
      detail: 'VFS: Unable to mount root fs',
    });
  });

  it('for another user is for administrators', async () => {
    const { userId } = await create(bob);
    const body = { kind: 'cli', userId };
    expect(await refused(await api.call(ana, 'POST', '/api/vms', { body }))).toMatchObject({
      code: 'forbidden',
    });
    expect((await create(admin, body)).userId).toBe(userId);
    const unknown = await api.call(admin, 'POST', '/api/vms', {
      body: { kind: 'cli', userId: 'usr-000000000000' },
    });
    expect(await refused(unknown)).toMatchObject({ status: 400, issues: ['userId'] });
  });
});

describe('Idempotency-Key', () => {
  const keyed = (key: string, body: unknown = { kind: 'cli' }, token = ana): Promise<Response> =>
    api.call(token, 'POST', '/api/vms', { body, headers: { 'idempotency-key': key } });

  it('F30: makes one VM of equal calls, at once and later', async () => {
    host.script.createDelayMs = 30;
    const answers = await Promise.all([keyed('k1'), keyed('k1'), keyed('k1')]);
    answers.push(await keyed('k1'));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    const ids = await Promise.all(answers.map(async (answer) => vmSchema.parse(await answer.json()).id));
    expect(new Set(ids).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
    expect(host.machines.list()).toHaveLength(1);
  });

  it('refuses the key for another request, and keeps users apart', async () => {
    await keyed('k1');
    const other = await refused(await keyed('k1', { kind: 'cli', cpus: 1 }));
    expect(other).toMatchObject({ status: 422, code: 'idempotency_mismatch' });
    expect((await keyed('k1', { kind: 'browser' }, bob)).status).toBe(201);
    expect(await refused(await keyed('with space'))).toMatchObject({ issues: ['idempotency-key'] });
  });

  it('is free again after 24 hours', async () => {
    await keyed('k1');
    await api.db.updateTable('idempotency_keys').set({ created_at: '2020-01-01T00:00:00.000Z' }).execute();
    expect((await keyed('k1', { kind: 'cli', cpus: 1 })).status).toBe(201);
  });
});

describe('ownership', () => {
  it('F41: hides a VM from other users on every route, and shows it to administrators', async () => {
    const { id } = await create();
    await becomes(id, 'ready');
    const exec = { body: { command: ['echo'] } };
    const routes: [string, string, { body?: unknown }?][] = [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/events'],
      ['GET', '/console'],
      ['POST', '/exec', exec],
      ['PUT', '/exec/ex-000000000000/stdin', { body: 'x' }],
      ['POST', '/exec/ex-000000000000/signal', { body: { signal: 'SIGINT' } }],
      ['GET', '/files?path=/x'],
      ['PUT', '/files?path=/x', { body: 'x' }],
    ];
    for (const [method, rest, options] of routes) {
      const other = await refused(await api.call(bob, method, `/api/vms/${id}${rest}`, options));
      const unknown = await refused(await api.call(bob, method, `/api/vms/vm-000000000000${rest}`, options));
      expect(other, `${method} ${rest}`).toMatchObject({ status: 404, code: 'not_found' });
      expect(other.detail.replace(id, 'vm-000000000000')).toBe(unknown.detail);
      const nobody = await refused(await api.call(null, method, `/api/vms/${id}${rest}`, options));
      expect(nobody, `${method} ${rest}`).toMatchObject({ status: 401, code: 'unauthenticated' });
    }
    expect((await show(id, admin)).id).toBe(id);
  });

  it('lists one’s own; all of them for administrators', async () => {
    const mine = await create();
    const theirs = await create(bob);
    const list = async (token: string, query = ''): Promise<string[]> =>
      vmListSchema
        .parse(await (await api.call(token, 'GET', `/api/vms${query}`)).json())
        .vms.map(({ id }) => id);
    expect(await list(ana)).toEqual([mine.id]);
    expect(await list(admin)).toEqual([]);
    expect((await list(admin, '?all=true')).toSorted()).toEqual([mine.id, theirs.id].toSorted());
    expect(await refused(await api.call(ana, 'GET', '/api/vms?all=true'))).toMatchObject({
      code: 'forbidden',
    });
    expect(await refused(await api.call(ana, 'GET', '/api/vms?al=1'))).toMatchObject({ issues: ['al'] });
  });

  it.each(['vm-1', 'vm-ILOUilou0000', '..%2f..%2fhealth', 'vm-000000000000%00'])(
    'refuses the id %s',
    async (id) => {
      expect(await refused(await api.call(ana, 'GET', `/api/vms/${id}`))).toMatchObject({
        status: 400,
        code: 'bad_request',
      });
    },
  );
});

describe('deleting', () => {
  it('answers at once, and removes it from the host', async () => {
    host.script.removeDelayMs = 20;
    const { id } = await create();
    await becomes(id, 'ready');
    const answer = await api.call(ana, 'DELETE', `/api/vms/${id}`);
    expect([answer.status, vmSchema.parse(await answer.json()).state]).toEqual([202, 'deleting']);
    await becomes(id, 'deleted');
    expect(host.machines.list()).toEqual([]);
    expect(await show(id)).toMatchObject({ ip: null, failure: null });
    const again = await api.call(ana, 'DELETE', `/api/vms/${id}`);
    expect([again.status, vmSchema.parse(await again.json()).state]).toEqual([200, 'deleted']);
  });

  it('waits for the end where asked to', async () => {
    host.script.removeDelayMs = 30;
    const { id } = await create();
    const answer = await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    expect([answer.status, vmSchema.parse(await answer.json()).state]).toEqual([200, 'deleted']);
    expect(api.controller.changes.size()).toBe(0);
  });

  it('F25: works while the VM boots, and the record stays', async () => {
    host.script.holdBoot = true;
    const { id } = await create();
    await api.call(ana, 'DELETE', `/api/vms/${id}`);
    await becomes(id, 'deleted');
    expect(host.machines.list()).toEqual([]);
  });

  it('works while the VM is being handed over', async () => {
    host.script.createDelayMs = 60;
    const creation = api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } });
    let id = '';
    await until('the record', async () => {
      const { vms } = vmListSchema.parse(await (await api.call(ana, 'GET', '/api/vms')).json());
      id = vms[0]?.id ?? '';
      return id !== '';
    });
    const answer = await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    expect(vmSchema.parse(await answer.json()).state).toBe('deleted');
    await creation;
    expect(host.machines.list()).toEqual([]);
  });

  it('goes on by itself where the host was away', async () => {
    const { id } = await create();
    await becomes(id, 'ready');
    await host.stop();
    expect((await api.call(ana, 'DELETE', `/api/vms/${id}`)).status).toBe(202);
    await host.restart();
    await becomes(id, 'deleted');
    expect(host.machines.list()).toEqual([]);
  });
});
