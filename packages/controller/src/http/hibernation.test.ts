import {
  HearthError,
  readEvents,
  execEventSchema,
  snapshotListSchema,
  vmSchema,
  type Vm,
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

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, { controller: { maxVmsPerUser: 3 } });
  [ana, bob, admin] = await Promise.all([api.token('ana'), api.token('bob'), api.token('root', 'admin')]);
  await until('the subscription', () => host.eventStreams() === 1);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const vmOf = async (answer: Response): Promise<Vm> => vmSchema.parse(await answer.json());
const show = async (id: string, token = ana): Promise<Vm> =>
  vmOf(await api.call(token, 'GET', `/api/vms/${id}`));
const becomes = (id: string, state: Vm['state']): Promise<void> =>
  until(`${id} to be ${state}`, async () => (await show(id, admin)).state === state);
const readyVm = async (kind: Vm['kind'] = 'cli'): Promise<Vm> => {
  const { id } = await vmOf(await api.call(ana, 'POST', '/api/vms', { body: { kind } }));
  await becomes(id, 'ready');
  return show(id);
};
const hibernate = (id: string, token = ana): Promise<Response> =>
  api.call(token, 'POST', `/api/vms/${id}/hibernate`);
const resume = (id: string, body: unknown = {}): Promise<Response> =>
  api.call(ana, 'POST', `/api/vms/${id}/resume`, { body });
const sleepingVm = async (): Promise<Vm> => {
  const { id } = await readyVm();
  return vmOf(await hibernate(id));
};
const echo = (id: string, signal?: AbortSignal): Promise<Response> =>
  api.call(ana, 'POST', `/api/vms/${id}/exec`, {
    body: { command: ['echo', 'hello'] },
    ...(signal === undefined ? {} : { signal }),
  });
const resumptions = (): number => host.calls.filter(({ path }) => path.endsWith('/resume')).length;

describe('POST /api/vms/:id/hibernate', () => {
  it('answers once the VM is hibernated, and again the same', async () => {
    const { id } = await readyVm();
    const answer = await hibernate(id);
    expect(answer.status).toBe(200);
    const vm = await vmOf(answer);
    expect(vm).toMatchObject({ state: 'hibernated', ip: null, failure: null });
    const days = (Date.parse(vm.deletesAt ?? '') - Date.parse(vm.hibernatedAt ?? '')) / 86_400_000;
    expect(days).toBe(14);
    expect([(await hibernate(id)).status, (await show(id)).state]).toEqual([200, 'hibernated']);
  });

  it('calls at the same time share one hibernation', async () => {
    host.script.hibernateMs = 50;
    const { id } = await readyVm();
    const answers = await Promise.all([hibernate(id), hibernate(id), hibernate(id)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(host.calls.filter(({ path }) => path.endsWith('/hibernate'))).toHaveLength(1);
  });

  it('F42: tells why it failed, and the VM goes on as before', async () => {
    host.script.failHibernate = new HearthError('disk_full', 'no space for 2048 MiB');
    const vm = await readyVm();
    expect(await refused(await hibernate(vm.id))).toMatchObject({ status: 507, code: 'disk_full' });
    expect(await show(vm.id)).toMatchObject({
      state: 'ready',
      ip: vm.ip,
      readyAt: vm.readyAt,
      failure: null,
    });
    expect((await echo(vm.id)).status).toBe(200);
  });

  it('leaves it to the host’s word where that went away in the middle', async () => {
    host.script.hibernateMs = 30;
    const { id } = await readyVm();
    const call = hibernate(id);
    await becomes(id, 'hibernating');
    await host.stop();
    expect(await refused(await call)).toMatchObject({ code: 'host_unreachable' });
    expect((await show(id)).state).toBe('hibernating');
    await host.restart();
    await becomes(id, 'hibernated');
  });

  it('refuses a browser VM, one that boots, one that is gone, and another’s', async () => {
    const browser = await readyVm('browser');
    expect(await refused(await hibernate(browser.id))).toMatchObject({
      status: 409,
      code: 'not_hibernatable',
    });
    host.script.holdBoot = true;
    const { id } = await vmOf(await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } }));
    expect(await refused(await hibernate(id))).toMatchObject({ code: 'not_hibernatable' });
    expect(await refused(await hibernate(id, bob))).toMatchObject({ status: 404, code: 'not_found' });
    await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    expect(await refused(await hibernate(id))).toMatchObject({ code: 'vm_deleted' });
    expect(await refused(await hibernate('vm-1'))).toMatchObject({ status: 400 });
  });

  it('a hibernated VM is deleted like any other', async () => {
    const { id } = await sleepingVm();
    const answer = await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    expect(await vmOf(answer)).toMatchObject({ state: 'deleted', hibernatedAt: null, deletesAt: null });
    expect(host.machines.list()).toEqual([]);
  });
});

describe('POST /api/vms/:id/resume', () => {
  it('brings the VM back, counted from now', async () => {
    const asleep = await sleepingVm();
    const answer = await resume(asleep.id);
    expect(answer.status).toBe(202);
    expect(await vmOf(answer)).toMatchObject({ state: 'starting', hibernatedAt: null, deletesAt: null });
    await becomes(asleep.id, 'ready');
    const vm = await show(asleep.id);
    expect(vm).toMatchObject({ origin: 'hibernation', failure: null, createdAt: asleep.createdAt });
    expect(Date.parse(vm.timeline.startedAt)).toBeGreaterThanOrEqual(Date.parse(asleep.hibernatedAt ?? ''));
    expect(vm.timeline.phases.map(({ phase }) => phase)).toContain('load');
    expect((await resume(asleep.id)).status).toBe(200);
  });

  it('boots the disk alone where asked to', async () => {
    host.script.refuseResume = new HearthError('snapshot_invalid', 'sha256 differs');
    const { id } = await sleepingVm();
    expect(await refused(await resume(id))).toMatchObject({ status: 409, code: 'snapshot_invalid' });
    expect((await resume(id, { cold: true })).status).toBe(202);
    await becomes(id, 'ready');
    expect((await show(id)).origin).toBe('image');
  });

  it('a refusal leaves it hibernated as it was', async () => {
    const asleep = await sleepingVm();
    host.script.memMiB = 1024;
    expect(await refused(await resume(asleep.id))).toMatchObject({ status: 503, code: 'capacity_exceeded' });
    const { version: _, ...kept } = await show(asleep.id);
    expect(asleep).toMatchObject(kept);
  });

  it('a failure leaves it hibernated with the cause, which the next resumption clears', async () => {
    host.script.failResume = new HearthError('vmm_failed', 'load of migration failed');
    const { id } = await sleepingVm();
    await resume(id);
    await becomes(id, 'hibernated');
    const failed = await show(id);
    expect(failed).toMatchObject({
      ip: null,
      failure: { code: 'vmm_failed', detail: 'load of migration failed' },
    });
    expect(failed.deletesAt).not.toBeNull();
    host.script.failResume = null;
    await resume(id);
    await becomes(id, 'ready');
    expect((await show(id)).failure).toBeNull();
  });

  it('names a wrong body', async () => {
    const { id } = await sleepingVm();
    expect(await refused(await resume(id, { cold: 'yes', warm: 1 }))).toMatchObject({
      status: 400,
      issues: ['cold', 'warm'],
    });
  });
});

describe('commands and files of a hibernated VM', () => {
  it('resume it first, once for all that come', async () => {
    const { id } = await sleepingVm();
    const file = `/api/vms/${id}/files?path=/tmp/a`;
    const headers = { 'content-type': 'application/octet-stream' };
    const answers = await Promise.all([
      echo(id),
      echo(id),
      api.call(ana, 'PUT', file, { body: 'content', headers }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const body = answers[0].body;
    const events = body === null ? [] : await Array.fromAsync(readEvents(body, execEventSchema));
    expect(events.at(-1)).toMatchObject({ type: 'exit', exitCode: 0 });
    expect(resumptions()).toBe(1);
    expect((await show(id)).state).toBe('ready');
  });

  it('wait for a hibernation that is under way, and undo it', async () => {
    host.script.hibernateMs = 60;
    const { id } = await readyVm();
    const hibernation = hibernate(id);
    await becomes(id, 'hibernating');
    expect((await echo(id)).status).toBe(200);
    await hibernation;
    expect((await show(id)).state).toBe('ready');
  });

  it('say why it was not resumed', async () => {
    const { id } = await sleepingVm();
    host.script.failResume = new HearthError('vmm_failed', 'load of migration failed');
    expect(await refused(await echo(id))).toMatchObject({ code: 'vmm_failed' });
    host.script.refuseResume = new HearthError('snapshot_invalid', 'sha256 differs');
    expect(await refused(await echo(id))).toMatchObject({
      code: 'snapshot_invalid',
      detail: 'sha256 differs',
    });
  });

  it('give up waiting when the client goes away', async () => {
    const { id } = await sleepingVm();
    host.script.holdBoot = true;
    const client = new AbortController();
    const call = echo(id, client.signal);
    await becomes(id, 'starting');
    client.abort();
    await expect(call).rejects.toThrow();
    await until('no subscription', () => api.controller.changes.size() === 0);
  });

  it('leave one that boots for the first time alone', async () => {
    host.script.holdBoot = true;
    const { id } = await vmOf(await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } }));
    expect(await refused(await echo(id))).toMatchObject({ code: 'vm_not_ready' });
  });
});

describe('POST /api/vms/:id/fork', () => {
  const fork = (id: string, token = ana, key?: string): Promise<Response> =>
    api.call(token, 'POST', `/api/vms/${id}/fork`, {
      headers: key === undefined ? {} : { 'idempotency-key': key },
    });

  it('makes another VM of the same owner, of a ready and of a hibernated one', async () => {
    const source = await readyVm();
    const answer = await fork(source.id);
    expect(answer.status).toBe(201);
    const copy = await vmOf(answer);
    expect(copy).toMatchObject({ kind: 'cli', memMiB: source.memMiB, userId: source.userId });
    expect(copy.id).not.toBe(source.id);
    await becomes(copy.id, 'ready');
    expect(await show(copy.id)).toMatchObject({ origin: 'hibernation' });
    await hibernate(source.id);
    const byAdmin = await vmOf(await fork(source.id, admin));
    expect(byAdmin.userId).toBe(source.userId);
    expect(await show(source.id)).toMatchObject({ state: 'hibernated' });
  });

  it('counts against the quota, and is repeated by its key', async () => {
    const source = await readyVm();
    const first = await vmOf(await fork(source.id, ana, 'once'));
    const again = await fork(source.id, ana, 'once');
    expect([again.headers.get('idempotent-replayed'), (await vmOf(again)).id]).toEqual(['true', first.id]);
    expect((await fork(source.id)).status).toBe(201);
    expect(await refused(await fork(source.id))).toMatchObject({ status: 429, code: 'quota_exceeded' });
  });

  it('refuses what can’t be copied', async () => {
    const browser = await readyVm('browser');
    expect(await refused(await fork(browser.id))).toMatchObject({ code: 'not_hibernatable' });
    expect(await refused(await fork(browser.id, bob))).toMatchObject({ code: 'not_found' });
    host.script.holdBoot = true;
    const { id } = await vmOf(await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } }));
    expect(await refused(await fork(id))).toMatchObject({ code: 'not_hibernatable' });
  });
});

describe('GET and DELETE /api/snapshots', () => {
  it('are for administrators', async () => {
    host.script.goldenKinds = ['cli'];
    expect(await refused(await api.call(ana, 'GET', '/api/snapshots'))).toMatchObject({ code: 'forbidden' });
    const answer = await api.call(admin, 'GET', '/api/snapshots');
    const { snapshots } = snapshotListSchema.parse(await answer.json());
    expect(snapshots).toMatchObject([{ kind: 'cli', status: 'ready', clones: 0 }]);
    const path = `/api/snapshots/${snapshots[0]?.id ?? ''}`;
    expect(await refused(await api.call(ana, 'DELETE', path))).toMatchObject({ code: 'forbidden' });
    const vm = await readyVm();
    expect(vm.origin).toBe('snapshot');
    expect(await refused(await api.call(admin, 'DELETE', path))).toMatchObject({ code: 'snapshot_in_use' });
    await api.call(ana, 'DELETE', `/api/vms/${vm.id}?wait=true`);
    expect((await api.call(admin, 'DELETE', path)).status).toBe(200);
    expect(await refused(await api.call(admin, 'DELETE', path))).toMatchObject({ status: 404 });
    expect(await refused(await api.call(admin, 'DELETE', '/api/snapshots/snp-x'))).toMatchObject({
      status: 400,
    });
  });
});
