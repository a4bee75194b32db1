import { startFakeHost, type FakeHost } from '@hearth/testing';
import { healthSchema, vmSchema } from '@hearth/contract';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { refused } from '../test-problem.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, { controller: { rateLimit: { max: 20 } } });
  ana = await api.token('ana');
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

describe('requests that are wrong', () => {
  it.each([
    ['not JSON', '{"kind":', 'application/json', 400, 'bad_request'],
    ['an empty body', '', 'application/json', 400, 'bad_request'],
    ['a poisoned key', '{"__proto__":{"x":1}}', 'application/json', 400, 'bad_request'],
    ['another media type', 'kind=cli', 'application/x-www-form-urlencoded', 415, 'unsupported_media_type'],
    ['too much', JSON.stringify({ kind: 'x'.repeat(1_100_000) }), 'application/json', 413, 'body_too_large'],
  ])('%s', async (_what, body, type, status, code) => {
    const answer = await api.call(ana, 'POST', '/api/vms', { body, headers: { 'content-type': type } });
    expect(await refused(answer)).toMatchObject({ status, code });
    expect(host.machines.list()).toEqual([]);
  });

  it('an unknown address, a method that it doesn’t take, a broken escape', async () => {
    expect(await refused(await api.call(null, 'GET', '/api/nothing'))).toMatchObject({
      status: 404,
      code: 'route_not_found',
    });
    const wrong = await api.call(ana, 'PATCH', '/api/vms/vm-000000000000');
    expect(wrong.headers.get('allow')).toBe('GET, DELETE');
    expect(await refused(wrong)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(await refused(await api.call(ana, 'GET', '/api/vms/%zz'))).toMatchObject({
      status: 400,
      code: 'bad_request',
    });
    expect(await refused(await api.call(ana, 'GET', `/api/vms/${'x'.repeat(500)}`))).toMatchObject({
      status: 400,
    });
  });

  it('bytes that are no HTTP end the connection, not the controller', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write('\x16\x03\x01 nonsense\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve).resume());
    expect((await api.call(null, 'GET', '/health')).status).toBe(200);
  });

  it('an unforeseen error tells the log and not the caller', async () => {
    await api.db.schema.dropTable('idempotency_keys').execute();
    const answer = await api.call(ana, 'POST', '/api/vms', {
      body: { kind: 'cli' },
      headers: { 'idempotency-key': 'k' },
    });
    expect(await refused(answer)).toMatchObject({ status: 503, code: 'database_failed' });
  });
});

describe('correlation id', () => {
  it('is the client’s where it is well formed, else ours', async () => {
    const id = async (given: string): Promise<string | null> =>
      (await api.call(null, 'GET', '/health', { headers: { 'x-request-id': given } })).headers.get(
        'x-request-id',
      );
    expect(await id('abcdefgh-1')).toBe('abcdefgh-1');
    expect(await id('short')).toMatch(/^req-/);
    expect(await id('spaces are not welcome')).toMatch(/^req-/);
  });
});

describe('GET /health', () => {
  it('is computed from real checks, and needs no token', async () => {
    const ok = await api.call(null, 'GET', '/health');
    const report = healthSchema.parse(await ok.json());
    expect([ok.status, report.status]).toEqual([200, 'ok']);
    expect(report.checks.map(({ name }) => name)).toEqual([
      ...['database', 'vault', 'host', 'bridge', 'dnsmasq', 'firewall', 'disk', 'image', 'vmm', 'snapshots'],
    ]);
    host.script.degraded = 'dnsmasq';
    const degraded = await api.call(null, 'GET', '/health');
    expect([degraded.status, healthSchema.parse(await degraded.json()).status]).toEqual([503, 'degraded']);
    await host.stop();
    const away = await api.call(null, 'GET', '/health');
    expect(healthSchema.parse(await away.json()).checks.find(({ name }) => name === 'host')?.ok).toBe(false);
  });

  it('answers HEAD', async () => {
    expect((await api.call(null, 'HEAD', '/health')).status).toBe(200);
  });
});

describe('F29: the allowance of requests', () => {
  it('is one for each user, told in headers, and refused with a time', async () => {
    const first = await api.call(ana, 'GET', '/api/me');
    expect(first.headers.get('ratelimit-limit')).toBe('20');
    expect(first.headers.get('ratelimit-remaining')).toBe('19');
    expect(Number(first.headers.get('ratelimit-reset'))).toBeGreaterThan(0);
    for (let calls = 1; calls < 20; calls += 1) await api.call(ana, 'GET', '/api/me');
    const over = await api.call(ana, 'GET', '/api/me');
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused(over)).toMatchObject({ status: 429, code: 'rate_limited' });
    const bob = await api.token('bob');
    expect((await api.call(bob, 'GET', '/api/me')).status).toBe(200);
  });

  it('counts streams and health apart', async () => {
    for (let calls = 0; calls < 25; calls += 1)
      await api.call(ana, 'GET', '/api/vms/vm-000000000000/console');
    expect((await api.call(ana, 'GET', '/api/vms/vm-000000000000/console')).status).toBe(429);
    expect((await api.call(ana, 'GET', '/api/me')).status).toBe(200);
  });

  it('counts strangers and unknown addresses as well', async () => {
    for (let calls = 0; calls < 20; calls += 1) await api.call('hth_wrong', 'GET', '/api/me');
    expect((await api.call('hth_wrong', 'GET', '/api/me')).status).toBe(429);
    expect((await api.call(null, 'GET', '/api/nothing')).status).toBe(429);
    expect((await api.call(null, 'GET', '/health')).status).toBe(200);
  });

  it('names the class of a call, its quota and its window', async () => {
    const policies = async (token: string | null, method: string, path: string): Promise<string | null> =>
      (await api.call(token, method, path)).headers.get('ratelimit-policy');
    expect(await policies(ana, 'GET', '/api/me')).toBe('"calls";q=20;w=900');
    expect(await policies(ana, 'GET', '/api/vms/vm-000000000000/console')).toBe('"streams";q=20;w=900');
    expect(await policies(ana, 'GET', '/api/vms/vm-000000000000/desktop/screenshot.png')).toBe(
      '"pictures";q=20;w=900',
    );
    expect(await policies(null, 'POST', '/api/session')).toBe('"signins";q=20;w=900');
    expect(await policies(null, 'GET', '/health')).toBe('"health";q=20;w=900');
    expect(await policies(ana, 'GET', '/metrics')).toBe('"metrics";q=20;w=900');
  });

  it('counts attempts to sign in by address, whoever claims to make them, and nothing else with them', async () => {
    const tries: number[] = [];
    for (let attempt = 0; attempt < 22; attempt += 1) {
      const token = attempt % 2 === 0 ? ana : null;
      const body = { code: `fake-code-NOT-A-TOKEN-${attempt}` };
      tries.push((await api.call(token, 'POST', '/api/session', { body })).status);
    }
    expect(tries.slice(0, 20)).not.toContain(429);
    expect(tries.slice(20)).toEqual([429, 429]);
    expect((await api.call(ana, 'GET', '/api/me')).status).toBe(200);
  });
});

it('what becomes of a VM is logged under the request that made it, on this side and on the host', async () => {
  const requestId = 'req-of-this-one';
  const answer = await api.call(ana, 'POST', '/api/vms', {
    body: { kind: 'cli' },
    headers: { 'x-request-id': requestId },
  });
  const { id } = vmSchema.parse(await answer.json());
  const lines = () =>
    api.logged
      .map((line) => JSON.parse(line) as { requestId?: string; vmId?: string; msg: string })
      .filter((line) => line.requestId === requestId);
  await until('the line', () => lines().some(({ msg }) => msg === 'the VM is ready'));
  expect(
    lines()
      .filter(({ vmId }) => vmId === id)
      .map(({ msg }) => msg),
  ).toEqual(expect.arrayContaining(['the VM is starting', 'the VM is ready']));
  expect(lines().some(({ msg }) => msg === 'answered')).toBe(true);
  expect(host.calls).toContainEqual({ method: 'PUT', path: `/v1/vms/${id}`, requestId });
});
