import { hostStateSchema, userSchema, vmSchema, whySchema, type Vm } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
// The real controller, on a host whose VMs are told what to be ill of.
import { startTestController, until, type TestController } from '../../../controller/src/test-controller.ts';
import { say } from '../test-answers.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-operator-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath);
  await writeFile(join(folder, 'token'), await api.token('ada', 'admin'), { mode: 0o600 });
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const tell = (...words: string[]) => say(...words, '--url', api.url, '--token-file', join(folder, 'token'));
const create = async (): Promise<Vm> =>
  vmSchema.parse(JSON.parse((await tell('vm', 'create', '--kind', 'cli', '--json')).out));

test('F47: a VM that falls ill is unhealthy, says why, and is well after a restart', async () => {
  const { id } = await create();
  expect((await tell('why', id)).code).toBe(0);
  host.machines.sicken(id, 'tap_down');
  await until('the controller to know', async () => (await tell('vm', 'ls')).out.includes('unhealthy'));
  const ill = await tell('why', id);
  expect(ill.code).toBe(1);
  expect(ill.out).toContain('The next reconcile puts it up again');
  const stored = whySchema.parse(JSON.parse((await tell('why', id, '--stored', '--json')).out));
  expect(stored).toMatchObject({ trigger: 'unhealthy', finding: { cause: 'tap_down' } });
  expect((await tell('host', 'status')).out).toContain(id);

  expect(await tell('vm', 'restart', id)).toMatchObject({ code: 0, out: `${id}\n` });
  expect((await tell('why', id)).code).toBe(0);
});

test('a host daemon that is down is what why finds then', async () => {
  const { id } = await create();
  await host.stop();
  const { code, out } = await tell('why', id);
  expect(code).toBe(1);
  expect(out).toContain('The host daemon does not answer');
  expect(out).toContain('hearth up');
});

test('a host is looked at, swept, drained and taken up again', async () => {
  expect(await tell('host', 'drift')).toMatchObject({ code: 0 });
  expect((await tell('host', 'sweep', '--dry-run')).out).toBe('nothing is left over\n');
  expect((await tell('host', 'breaker', '--close')).out).toContain('VMs are created');
  expect((await tell('host', 'drain')).out).toContain('takes no new VMs');
  const refused = await tell('vm', 'create', '--kind', 'cli');
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('hearth host drain --off');
  expect((await tell('host', 'drain', '--off')).out).toContain('takes VMs again');
  const state = hostStateSchema.parse(JSON.parse((await tell('host', 'status', '--json')).out));
  expect(state).toMatchObject({ draining: false, unhealthy: [] });
});

test('a person’s quota holds, and is taken back', async () => {
  await api.token('ana');
  const quota = async (...words: string[]) =>
    userSchema.parse(JSON.parse((await tell('user', 'quota', 'ana', ...words, '--json')).out));
  const before = await quota();
  expect(await quota('--vms', '1', '--mem', 'none')).toMatchObject({
    ownQuota: true,
    quota: { vms: 1, memMiB: null },
  });
  expect((await quota('--cpus', '3')).quota).toEqual({ vms: 1, memMiB: null, cpus: 3 });
  expect(await quota('--default')).toEqual(before);
  expect((await tell('user', 'ls')).out).toMatch(/ana +0 of \d+ .* default/);
});

test('who is no administrator may ask why of their own VM, and nothing of the host', async () => {
  await writeFile(join(folder, 'token'), await api.token('ana'));
  const { id } = await create();
  expect((await tell('why', id)).code).toBe(0);
  expect((await tell('host', 'status')).err).toContain('You may not do this');
  expect((await tell('user', 'ls')).err).toContain('You may not do this');
});
