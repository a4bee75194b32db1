import { HearthError, vmSchema, whySchema, type Vm, type VmId, type Why } from '@hearth/contract';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFakeHost, type FakeHost } from '@hearth/testing';
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
  folder = await mkdtemp(join(tmpdir(), 'hearth-why-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath);
  [ana, bob, admin] = await Promise.all([api.token('ana'), api.token('bob'), api.token('root', 'admin')]);
  await until('the subscription', () => host.eventStreams() === 1);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const show = async (id: string): Promise<Vm> =>
  vmSchema.parse(await (await api.call(admin, 'GET', `/api/vms/${id}`)).json());
const becomes = (id: string, state: Vm['state']): Promise<void> =>
  until(`${id} to be ${state}`, async () => (await show(id)).state === state);
const created = async (kind: Vm['kind'] = 'cli'): Promise<VmId> =>
  vmSchema.parse(await (await api.call(ana, 'POST', '/api/vms', { body: { kind } })).json()).id;
const readyVm = async (kind: Vm['kind'] = 'cli'): Promise<VmId> => {
  const id = await created(kind);
  await becomes(id, 'ready');
  return id;
};
const ask = (id: string, query = '', token = ana): Promise<Response> =>
  api.call(token, 'GET', `/api/vms/${id}/why${query}`);
const why = async (id: string, query = ''): Promise<Why> => {
  const answer = await ask(id, query);
  expect(answer.status).toBe(200);
  return whySchema.parse(await answer.json());
};
const restart = (id: string, token = ana): Promise<Response> =>
  api.call(token, 'POST', `/api/vms/${id}/restart`);

describe('GET /api/vms/:id/why', () => {
  it('F47: passes on what the host found, with the controller’s record against the host’s', async () => {
    const id = await readyVm();
    const well = await why(id);
    expect(well).toMatchObject({ verdict: 'healthy', finding: null, trigger: 'asked' });
    const [record] = well.checks;
    expect(record?.name).toBe('record');
    expect(record?.evidence.join('\n')).toMatch(/the controller’s record: ready, of .*\n.*\nthe host: ready/);
    host.machines.sicken(id, 'tap_off_bridge');
    expect(await why(id)).toMatchObject({
      verdict: 'broken',
      finding: { cause: 'tap_off_bridge', layer: 'network' },
    });
  });

  it('F47: a host daemon that is down is an answer, from the record alone', async () => {
    const id = await readyVm();
    await host.stop();
    for (const query of ['', '?stored=true']) {
      const found = await why(id, query);
      expect(found).toMatchObject({
        verdict: 'broken',
        finding: { cause: 'host_daemon_down', check: 'record' },
      });
      expect(found.checks[0]?.evidence[0]).toContain('the controller’s record: ready');
    }
  });

  it('a failed VM is answered from what was found then, also once it is deleted', async () => {
    host.script.failBoot = new HearthError('guest_not_ready', 'no display');
    host.script.failCause = 'display_dead';
    const id = await created('browser');
    await becomes(id, 'failed');
    expect(await why(id)).toMatchObject({ trigger: 'failed', finding: { cause: 'display_dead' } });
    await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    for (const query of ['', '?stored=true'])
      expect(await why(id, query)).toMatchObject({ trigger: 'failed', finding: { cause: 'display_dead' } });
  });

  it('says of what is not there that it is not there', async () => {
    const id = await readyVm();
    await refused(await ask(id, '?stored=true'), 'not_found');
    await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    const gone = await why(id);
    expect(gone).toMatchObject({ verdict: 'not_running', finding: null });
    expect(gone.summary).toContain('was deleted at');
    const lost = await readyVm();
    host.machines.lose(lost);
    expect((await why(lost)).finding?.cause).toBe('unknown_to_host');
    await refused(await ask('vm-aaaaaaaaaaaa'), 'not_found');
    await refused(await ask(lost, '?stored=maybe'), 'bad_request');
  });

  it('F41: is for the owner and administrators', async () => {
    const id = await readyVm();
    await refused(await ask(id, '', bob), 'not_found');
    expect((await ask(id, '', admin)).status).toBe(200);
  });
});

describe('POST /api/vms/:id/restart', () => {
  it('boots the disk anew: its timeline starts again, and it is ready again', async () => {
    const id = await readyVm();
    const before = await show(id);
    host.machines.sicken(id, 'agent_hung');
    await until('the finding', async () => (await show(id)).finding !== null);
    host.script.holdBoot = true;
    const answer = await restart(id);
    expect(answer.status).toBe(202);
    expect(vmSchema.parse(await answer.json())).toMatchObject({
      id,
      state: 'starting',
      finding: null,
      readyAt: null,
    });
    host.script.holdBoot = false;
    await refused(await restart(id), 'conflict');
    host.machines.restart(id);
    await becomes(id, 'ready');
    const after = await show(id);
    expect(Date.parse(after.timeline.startedAt)).toBeGreaterThan(Date.parse(before.timeline.startedAt));
    expect(after.ip).toBe(before.ip);
  });

  it('a restart by the host’s own watchdog is seen as one', async () => {
    const id = await readyVm();
    host.script.holdBoot = true;
    host.machines.restart(id);
    await becomes(id, 'starting');
  });

  it('refuses what can’t be restarted', async () => {
    const browser = await readyVm('browser');
    await refused(await restart(browser), 'conflict');
    const id = await readyVm();
    await refused(await restart(id, bob), 'not_found');
    await api.call(ana, 'POST', `/api/vms/${id}/hibernate`);
    await refused(await restart(id), 'conflict');
    await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    await refused(await restart(id), 'vm_deleted');
  });
});

describe('a VM that does not answer', () => {
  it('gets no terminal and says what was found; files and commands are still tried', async () => {
    const id = await readyVm();
    host.machines.sicken(id, 'guest_out_of_memory');
    await until('the finding', async () => (await show(id)).finding !== null);
    const terminals = `/api/vms/${id}/terminals`;
    const problem = await refused(await api.call(ana, 'POST', terminals, { body: {} }), 'vm_not_ready');
    expect(problem.detail).toContain('The guest ran out of memory');
    expect(problem.hint).toContain('Give it more memory');
    expect(
      (
        await api.call(ana, 'PUT', `/api/vms/${id}/files?path=/tmp/a`, {
          body: 'x',
          headers: { 'content-type': 'application/octet-stream' },
        })
      ).status,
    ).toBe(200);
    host.machines.sicken(id, null);
    await until('no finding', async () => (await show(id)).finding === null);
    expect((await api.call(ana, 'POST', terminals, { body: {} })).status).toBe(201);
  });
});
