import {
  credentialListSchema,
  HearthError,
  Secret,
  userIdSchema,
  type Credential,
  type RequestId,
  type RunId,
  type UserId,
  type VmId,
} from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { refused } from '../test-problem.ts';
import { passingKeys } from '../vault/key-store.ts';

const FILE = '.claude/.credentials.json';
const KEY = 'sk-ant-fake-key-NOT-A-TOKEN';
const fileOf = (token: string): Record<string, string> => ({
  [FILE]: JSON.stringify({ claudeAiOauth: { accessToken: token, refreshToken: `${token}-refresh` } }),
});

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;
let userId: UserId;
const keys = passingKeys();
const call = { requestId: 'request-1' as RequestId, signal: AbortSignal.timeout(60_000) };

const startController = async (): Promise<void> => {
  api = await startTestController(host.socketPath, {}, {}, null, {
    database: join(folder, 'hearth.db'),
    keys,
  });
  ana = await api.token('ana');
  const me = (await (await api.call(ana, 'GET', '/api/me')).json()) as { userId: unknown };
  userId = userIdSchema.parse(me.userId);
};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'), { bootMs: 4 });
  await startController();
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const service = (): TestController['controller']['credentials'] => api.controller.credentials;
const credential = async (): Promise<Credential | null> => service().find(userId, 'claude_code');
const record = async (id: VmId): Promise<VmRecord> =>
  api.controller.vms.find({ userId, name: 'ana', role: 'user', via: 'token' }, id);
const makeVm = async (kind = 'cli'): Promise<VmRecord> => {
  const { id } = (await (await api.call(ana, 'POST', '/api/vms', { body: { kind } })).json()) as { id: VmId };
  await until(`${id} to be ready`, async () => (await record(id)).state === 'ready');
  return record(id);
};
const signIn = async (token: string): Promise<void> => {
  const answer = await api.call(ana, 'POST', '/api/auth/start', { body: { provider: 'claude_code' } });
  const { vmId, sessionId } = (await answer.json()) as { vmId: VmId; sessionId: string };
  await until('the login', () => host.signins.of(vmId) !== undefined);
  host.credentials.write(vmId, 'claude_code', fileOf(token));
  host.signins.change(vmId, { phase: 'signed_in' });
  await until('the end', async () => {
    const status = await api.call(ana, 'GET', `/api/auth/session/${sessionId}/credentials/status`);
    return ((await status.json()) as { stored: boolean }).stored;
  });
};
const inVm = (id: VmId): string | null => {
  const held = host.credentials.of(id, 'claude_code');
  const [file] = held?.files ?? [];
  if (file === undefined) return null;
  const parsed = JSON.parse(Buffer.from(file.contentBase64, 'base64').toString()) as {
    claudeAiOauth: { accessToken: string };
  };
  return parsed.claudeAiOauth.accessToken;
};
/** The event of a hand-over was heard, and what it led to is over. */
const lookedAfter = async (id: VmId): Promise<void> => {
  const put = host.calls.findLastIndex(
    ({ method, path }) => method === 'PUT' && path === `/v1/vms/${id}/credentials/claude_code`,
  );
  await until('a look at it', () =>
    host.calls.slice(put).some(({ method, path }) => method === 'GET' && path === `/v1/vms/${id}`),
  );
  await service().handOver(await record(id), 'claude_code', call);
};
const versionIs = (version: number): Promise<void> =>
  until(`version ${version}`, async () => (await credential())?.version === version);

describe('hand-over', () => {
  it('gives the VM the newest version, once, and makes it the owner', async () => {
    await signIn('fake-one');
    const vm = await makeVm();
    expect(await service().handOver(vm, 'claude_code', call)).toMatchObject({ version: 1, kind: 'sign_in' });
    expect(inVm(vm.id)).toBe('fake-one');
    expect(await credential()).toMatchObject({ ownerVmId: vm.id });
    await service().handOver(vm, 'claude_code', call);
    expect(
      host.calls.filter(({ method, path }) => method === 'PUT' && path.includes('/credentials/')),
    ).toHaveLength(1);
  });

  it('a refresh in one VM is what the next one starts with, and the first has it no longer', async () => {
    await signIn('fake-one');
    const [first, second] = [await makeVm(), await makeVm()];
    await service().handOver(first, 'claude_code', call);
    host.credentials.write(first.id, 'claude_code', fileOf('fake-two'));
    await service().handOver(second, 'claude_code', call);
    expect([inVm(first.id), inVm(second.id)]).toEqual([null, 'fake-two']);
    expect(await credential()).toMatchObject({
      ...{ version: 2, ownerVmId: second.id },
      versions: [{ writer: { type: 'vm', vmId: first.id } }, { writer: { type: 'sign_in' } }],
    });
  });

  it('is refused while another VM uses it, and where there is none, or it is refused', async () => {
    const [first, second] = [await makeVm(), await makeVm()];
    await expect(service().handOver(first, 'claude_code', call)).rejects.toMatchObject({
      code: 'credential_missing',
    });
    await signIn('fake-one');
    await service().handOver(first, 'claude_code', call);
    let using = true;
    service().busy((vmId) => using && vmId === first.id);
    await expect(service().handOver(second, 'claude_code', call)).rejects.toMatchObject({
      code: 'credential_busy',
    });
    await service().handOverAll(second, call);
    expect([inVm(first.id), inVm(second.id)]).toEqual(['fake-one', null]);
    using = false;
    for (const runId of ['run-000000000001', 'run-000000000002'] as RunId[])
      await service().settle(userId, 'claude_code', { runId, refused: true });
    await expect(service().handOver(second, 'claude_code', call)).rejects.toMatchObject({
      code: 'needs_login',
    });
  });

  it('of an owner that died: goes on without it', async () => {
    await signIn('fake-one');
    const [first, second] = [await makeVm(), await makeVm()];
    await service().handOver(first, 'claude_code', call);
    host.machines.crash(first.id, new HearthError('vmm_failed', 'it died'));
    await until('it to own nothing', async () => (await credential())?.ownerVmId === null);
    await service().handOver(second, 'claude_code', call);
    expect(inVm(second.id)).toBe('fake-one');
  });

  it('an API key is in as many VMs as one likes, and a new one reaches them all', async () => {
    const body = { provider: 'claude_code', apiKey: KEY };
    expect(await (await api.call(ana, 'POST', '/api/auth/api-key', { body })).json()).toMatchObject({
      version: 1,
    });
    const vms = [await makeVm(), await makeVm()];
    for (const vm of vms) await service().handOver(vm, 'claude_code', call);
    const next = { ...body, apiKey: `${KEY}-2` };
    await api.call(ana, 'POST', '/api/auth/rotate', { body: next });
    for (const { id } of vms)
      await until(
        'the new key',
        () => host.credentials.of(id, 'claude_code')?.env['ANTHROPIC_API_KEY'] === `${KEY}-2`,
      );
    expect((await credential())?.ownerVmId).toBeNull();
  });
});

describe('what a tool rewrites', () => {
  it('comes into the vault at once, and the VM hears of it', async () => {
    await signIn('fake-one');
    const vm = await makeVm();
    await service().handOver(vm, 'claude_code', call);
    for (const version of [2, 3, 4]) {
      host.credentials.write(vm.id, 'claude_code', fileOf(`fake-refreshed-${version}`));
      await versionIs(version);
      await until('the VM to hear', () => host.credentials.of(vm.id, 'claude_code')?.version === version);
    }
    expect(await credential()).toMatchObject({ version: 4, ownerVmId: vm.id });
    expect((await credential())?.refreshedAt).not.toBeNull();
  });

  it('while the controller is away comes in when it is back, whether the host restarted or not', async () => {
    await signIn('fake-one');
    const vm = await makeVm();
    await service().handOver(vm, 'claude_code', call);
    await api.controller.close();
    host.credentials.write(vm.id, 'claude_code', fileOf('fake-two'));
    await startController();
    await versionIs(2);
    await host.stop();
    host.credentials.write(vm.id, 'claude_code', fileOf('fake-three'));
    await host.restart();
    await versionIs(3);
  });

  it('is taken once where the VM did not hear that it was taken', async () => {
    await signIn('fake-one');
    const vm = await makeVm();
    await service().handOver(vm, 'claude_code', call);
    await api.controller.close();
    host.credentials.write(vm.id, 'claude_code', fileOf('fake-two'));
    await startController();
    await versionIs(2);
    await until('the VM to hear', () => host.credentials.of(vm.id, 'claude_code')?.version === 2);
    // The guest as it was before it heard: version 1, changed, with what the vault has as version 2.
    const held = host.credentials.of(vm.id, 'claude_code');
    if (held === null) throw new Error('nothing');
    const before = { ...held, version: 1, files: [] };
    await host.credentials.answer(vm.id, 'PUT', 'credentials/claude_code', async () => before);
    host.credentials.write(vm.id, 'claude_code', fileOf('fake-two'));
    await until('the VM to hear again', () => host.credentials.of(vm.id, 'claude_code')?.version === 2);
    expect((await credential())?.version).toBe(2);
  });

  it('is left alone where it is truncated, and repaired before the next use', async () => {
    await signIn('fake-one');
    const vm = await makeVm();
    await service().handOver(vm, 'claude_code', call);
    host.credentials.write(vm.id, 'claude_code', { [FILE]: '{"claudeAiOauth":{"acc' });
    await api.controller.reconcile.run();
    expect((await credential())?.version).toBe(1);
    await service().handOver(vm, 'claude_code', call);
    expect(inVm(vm.id)).toBe('fake-one');
  });

  it('by a stale writer is refused, and it gets the newest', async () => {
    await signIn('fake-one');
    const vm = await makeVm();
    await service().handOver(vm, 'claude_code', call);
    await signIn('fake-new');
    await until('the newest to be there', () => inVm(vm.id) === 'fake-new');
    expect(await credential()).toMatchObject({ version: 2, ownerVmId: vm.id });
    await api.controller.close();
    const stale = { provider: 'claude_code', kind: 'sign_in', version: 1, files: [], env: {} };
    await host.credentials.answer(vm.id, 'PUT', 'credentials/claude_code', async () => stale);
    host.credentials.write(vm.id, 'claude_code', fileOf('fake-stale'));
    await startController();
    await until('the newest to be there again', () => inVm(vm.id) === 'fake-new');
    expect((await credential())?.version).toBe(2);
    expect(api.logged.filter((line) => line.includes('credential_stale'))).toHaveLength(1);
  });
});

describe('the end of a VM', () => {
  it('takes the last refresh into the vault before it is deleted, or hibernated', async () => {
    await signIn('fake-one');
    for (const [index, end] of [
      (id: VmId) => api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`),
      (id: VmId) => api.call(ana, 'POST', `/api/vms/${id}/hibernate`),
    ].entries()) {
      const vm = await makeVm();
      await service().handOver(vm, 'claude_code', call);
      await lookedAfter(vm.id);
      // The event of it may come too late, or never.
      host.cutEvents();
      host.credentials.write(vm.id, 'claude_code', fileOf(`fake-last-${index}`));
      expect((await end(vm.id)).status).toBe(200);
      expect(await credential()).toMatchObject({ version: index + 2, ownerVmId: null });
      expect(inVm(vm.id)).toBeNull();
    }
  });
});

describe('removal and refusals', () => {
  it('what is disconnected is out of the VM, and a new sign-in is a newer version', async () => {
    await signIn('fake-one');
    const vm = await makeVm();
    await service().handOver(vm, 'claude_code', call);
    expect((await api.call(ana, 'DELETE', '/api/auth/credentials/claude_code')).status).toBe(204);
    await until('it to be out of the VM', () => inVm(vm.id) === null);
    expect(await refused(await api.call(ana, 'DELETE', '/api/auth/credentials/claude_code'))).toMatchObject({
      code: 'credential_missing',
    });
    expect(await credential()).toBeNull();
    await signIn('fake-two');
    expect(await credential()).toMatchObject({ version: 2, state: 'valid' });
  });

  it('pauses after two refusals in a row, tells it once, and a sign-in makes it valid again', async () => {
    await signIn('fake-one');
    const told: string[] = [];
    service().watch(({ state, refusals }) => told.push(`${state} ${refusals}`));
    const verdict = (run: number, wasRefused: boolean): Promise<Credential | null> =>
      service().settle(userId, 'claude_code', {
        runId: `run-00000000000${run}` as RunId,
        refused: wasRefused,
      });
    await verdict(1, true);
    await verdict(2, false);
    await verdict(3, true);
    await verdict(3, true);
    expect(await credential()).toMatchObject({ state: 'valid', refusals: 1 });
    const last = await verdict(4, true);
    expect(last).toMatchObject({ state: 'refused', refusals: 2, refusalRate: 0.75 });
    expect(told).toEqual(['valid 1', 'valid 0', 'valid 1', 'refused 2']);
    await signIn('fake-two');
    expect(await credential()).toMatchObject({ state: 'valid', refusals: 0, refusalRate: null });
  });

  it('keys are checked, and people see their own only', async () => {
    const put = (body: object, token = ana): Promise<Response> =>
      api.call(token, 'POST', '/api/auth/api-key', { body: { provider: 'claude_code', ...body } });
    for (const apiKey of ['short', 'two words here', 'fake-of-another-form'])
      expect(await refused(await put({ apiKey }))).toMatchObject({ status: 400, issues: ['apiKey'] });
    expect(await refused(await put({ apiKey: KEY, userId: 'usr-000000000000' }))).toMatchObject({
      status: 403,
    });
    const rotate = await api.call(ana, 'POST', '/api/auth/rotate', { body: { provider: 'claude_code' } });
    expect(await refused(rotate)).toMatchObject({ code: 'credential_missing' });
    await put({ apiKey: KEY });
    const eve = await api.token('eve');
    const list = await api.call(eve, 'GET', '/api/auth/credentials');
    expect(credentialListSchema.parse(await list.json()).credentials).toEqual([]);
    const foreign = await api.call(eve, 'GET', `/api/auth/credentials?userId=${userId}`);
    expect(await refused(foreign)).toMatchObject({ status: 403 });
    expect(await refused(await api.call(ana, 'POST', '/api/vault/rotate'))).toMatchObject({ status: 403 });
    const admin = await api.token('root', 'admin');
    expect(await (await api.call(admin, 'POST', '/api/vault/rotate')).json()).toMatchObject({
      reencrypted: 1,
    });
    expect(api.logged.join('\n')).not.toContain(KEY);
    expect(String(new Secret(KEY))).toBe('[redacted]');
  });
});
