import { HearthError, vmSchema, type Vm, type VmId } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestController, until, type TestController } from '../test-controller.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath);
  ana = await api.token('ana');
  await until('the subscription', () => host.eventStreams() === 1);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const create = async (): Promise<VmId> => {
  const answer = await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } });
  return vmSchema.parse(await answer.json()).id;
};
const show = async (id: VmId): Promise<Vm> =>
  vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${id}`)).json());
const becomes = (id: VmId, state: Vm['state']): Promise<void> =>
  until(`${id} to be ${state}`, async () => (await show(id)).state === state);

describe('host and records agree again', () => {
  it('after the stream of events was cut in the middle of a boot', async () => {
    const id = await create();
    host.cutEvents();
    await becomes(id, 'ready');
    await until('the subscription', () => host.eventStreams() === 1);
  });

  it('after the host was away while the VM became ready', async () => {
    host.script.bootMs = 60;
    const id = await create();
    await host.stop();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await show(id)).state).toBe('starting');
    await host.restart();
    await becomes(id, 'ready');
  });

  it('F19: a VM that the host lost fails, with the cause', async () => {
    const id = await create();
    await becomes(id, 'ready');
    host.machines.lose(id);
    host.cutEvents();
    await becomes(id, 'failed');
    expect((await show(id)).failure).toMatchObject({ code: 'vm_lost', layer: 'host' });
  });

  it('a VM whose VMM died fails with what the host says', async () => {
    const id = await create();
    await becomes(id, 'ready');
    host.machines.crash(id, new HearthError('vmm_failed', 'signal 11'));
    await becomes(id, 'failed');
    expect((await show(id)).failure).toMatchObject({ code: 'vmm_failed', detail: 'signal 11' });
  });

  it('F19: a VM without a record is deleted on the host, and said so', async () => {
    const id = await create();
    await becomes(id, 'ready');
    host.machines.plant('vm-zzzzzzzzzzzz' as VmId);
    await until('the sweep', () => host.machines.list().length === 1);
    expect(host.machines.get(id)?.state).toBe('ready');
    expect(api.logged.join('')).toContain('should not be there');
  });

  it('F20: nothing is swept while the records can’t be read', async () => {
    await api.db.schema.alterTable('vms').renameTo('away').execute();
    host.machines.plant('vm-zzzzzzzzzzzz' as VmId);
    await api.controller.reconcile.run();
    expect(host.machines.list()).toHaveLength(1);
    await api.db.schema.alterTable('away').renameTo('vms').execute();
    await until('the sweep', async () => {
      await api.controller.reconcile.run();
      return host.machines.list().length === 0;
    });
  });

  it('a VM that was recorded but not handed over is handed over', async () => {
    const id = await create();
    await becomes(id, 'ready');
    // As after a crash between record and effect.
    host.machines.lose(id);
    await api.db.updateTable('vms').set({ state: 'requested' }).where('id', '=', id).execute();
    await api.controller.reconcile.run();
    await becomes(id, 'ready');
    expect(host.machines.get(id)).toBeDefined();
  });

  it('a VM that the host refuses then fails with the refusal', async () => {
    const id = await create();
    await becomes(id, 'ready');
    host.machines.lose(id);
    host.script.refuseCreate = new HearthError('capacity_exceeded', 'full');
    await api.db.updateTable('vms').set({ state: 'requested' }).where('id', '=', id).execute();
    await api.controller.reconcile.run();
    expect((await show(id)).failure).toMatchObject({ code: 'capacity_exceeded' });
  });

  it('a hibernation that the host was not told of did not happen', async () => {
    const id = await create();
    await becomes(id, 'ready');
    // As after a crash between record and effect.
    await api.db.updateTable('vms').set({ state: 'hibernating' }).where('id', '=', id).execute();
    await api.controller.reconcile.run();
    expect((await show(id)).state).toBe('ready');
  });

  it('a hibernation that the host finished while nobody listened is known', async () => {
    const id = await create();
    await becomes(id, 'ready');
    await api.call(ana, 'POST', `/api/vms/${id}/hibernate`);
    await api.db.updateTable('vms').set({ state: 'hibernating' }).where('id', '=', id).execute();
    await api.controller.reconcile.run();
    expect((await show(id)).state).toBe('hibernated');
  });

  it('a resumption that the host was not told of did not happen', async () => {
    const id = await create();
    await becomes(id, 'ready');
    await api.call(ana, 'POST', `/api/vms/${id}/hibernate`);
    await api.db.updateTable('vms').set({ state: 'starting' }).where('id', '=', id).execute();
    await api.controller.reconcile.run();
    expect((await show(id)).state).toBe('hibernated');
    expect((await api.call(ana, 'POST', `/api/vms/${id}/resume`, { body: {} })).status).toBe(202);
    await becomes(id, 'ready');
  });

  it('F19: a hibernated VM that the host lost fails, with the cause', async () => {
    const id = await create();
    await becomes(id, 'ready');
    await api.call(ana, 'POST', `/api/vms/${id}/hibernate`);
    host.machines.lose(id);
    await api.controller.reconcile.run();
    expect(await show(id)).toMatchObject({ state: 'failed', failure: { code: 'vm_lost' } });
  });

  it('a removal that failed is tried again', async () => {
    const id = await create();
    await becomes(id, 'ready');
    host.script.refuseRemove = new HearthError('vmm_failed', 'it does not die');
    await api.call(ana, 'DELETE', `/api/vms/${id}`);
    await until('the failed try', () => api.logged.join('').includes('it does not die'));
    expect((await show(id)).state).toBe('deleting');
    host.script.refuseRemove = null;
    await api.controller.reconcile.run();
    await becomes(id, 'deleted');
  });
});

describe('what is past its time', () => {
  it('is forgotten: deleted VMs after their retention, not before', async () => {
    const id = await create();
    await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    await api.controller.expire.run();
    expect((await show(id)).state).toBe('deleted');
    const old = new Date(Date.now() - 15 * 24 * 3_600_000).toISOString();
    await api.db.updateTable('vms').set({ deleted_at: old }).execute();
    await api.controller.expire.run();
    expect((await api.call(ana, 'GET', `/api/vms/${id}`)).status).toBe(404);
  });
});
