import {
  breakerSchema,
  HearthError,
  hostStateSchema,
  vmListSchema,
  type Breaker,
  type Vm,
} from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refused } from '../test-problem.ts';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { passingKeys } from '../vault/key-store.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;
let admin: string;
/** Ahead of the real time. */
let aheadMs: number;

const start = async (): Promise<void> => {
  api = await startTestController(
    host.socketPath,
    { breaker: { minFailures: 2 } },
    { now: () => new Date(Date.now() + aheadMs) },
    null,
    { database: join(folder, 'hearth.db'), keys: passingKeys() },
  );
  [ana, admin] = await Promise.all([api.token('ana'), api.token('root', 'admin')]);
  await until('the subscription', () => host.eventStreams() === 1);
};
beforeEach(async () => {
  aheadMs = 0;
  folder = await mkdtemp(join(tmpdir(), 'hearth-breaker-'));
  host = await startFakeHost(join(folder, 'host.sock'), { bootMs: 4 });
  await start();
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const create = (): Promise<Response> => api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } });
const list = async (): Promise<Vm[]> =>
  vmListSchema.parse(await (await api.call(admin, 'GET', '/api/vms?all=true')).json()).vms;
const breaker = async (): Promise<Breaker> =>
  hostStateSchema.parse(await (await api.call(admin, 'GET', '/api/host')).json()).breaker;
const becomes = (state: Breaker['state']): Promise<void> =>
  until(`the breaker to be ${state}`, async () => (await breaker()).state === state);
const failTwice = async (): Promise<void> => {
  host.script.failBoot = new HearthError('guest_not_ready', 'the agent is masked');
  host.script.failCause = 'agent_masked';
  for (let failed = 1; failed <= 2; failed += 1) {
    expect((await create()).status).toBe(201);
    await until(
      `failure ${failed}`,
      async () => (await list()).filter(({ state }) => state === 'failed').length === failed,
    );
  }
  await becomes('open');
};
const probes = async (): Promise<Vm[]> => (await list()).filter(({ userId }) => userId === null);

describe('the circuit breaker of creation', () => {
  it('F30: stops creation where too many fail, and says why, with what was found', async () => {
    await failTwice();
    const problem = await refused(await create(), 'creation_paused');
    expect(problem.detail).toContain('2 of the last 2 starts failed');
    expect(problem.detail).toContain('the agent is masked');
    expect(problem.detail).toContain('The agent’s unit is masked');
    expect(await list()).toHaveLength(2);
    expect(await breaker()).toMatchObject({
      ...{ state: 'open', failures: 2, successes: 0, probeVmId: null },
      reason: { failure: { code: 'guest_not_ready' }, finding: { cause: 'agent_masked' } },
    });
  });

  it('half-opens with one probe that is nobody’s; while it is on its way nothing else is created', async () => {
    await failTwice();
    host.script.failBoot = null;
    host.script.holdBoot = true;
    aheadMs = 61_000;
    await api.controller.breaker.run();
    const half = await breaker();
    expect(half).toMatchObject({ state: 'half_open', probeAt: null });
    const [probe, ...others] = await probes();
    expect([probe?.id, probe?.state, probe?.kind, others]).toEqual([half.probeVmId, 'starting', 'cli', []]);
    await refused(await create(), 'creation_paused');
    await api.controller.breaker.run();
    expect(await probes()).toHaveLength(1);
    await api.call(admin, 'DELETE', `/api/vms/${probe?.id ?? ''}?wait=true`);
    // A probe that was taken away has told nothing: another one comes.
    await becomes('open');
    host.script.holdBoot = false;
    aheadMs = 130_000;
    await api.controller.breaker.run();
    await becomes('closed');
    await until('the probe to be deleted', async () =>
      (await probes()).every(({ state }) => state === 'deleted'),
    );
    expect((await create()).status).toBe(201);
  });

  it('a probe that fails opens it again, with its own cause', async () => {
    await failTwice();
    host.script.failBoot = new HearthError('kernel_panic', 'not syncing');
    aheadMs = 61_000;
    await api.controller.breaker.run();
    await until(
      'the end of the probe',
      async () => (await breaker()).reason?.failure.code === 'kernel_panic',
    );
    expect((await breaker()).state).toBe('open');
    await until('the probe to be deleted', async () =>
      (await probes()).every(({ state }) => state === 'deleted'),
    );
    await refused(await create(), 'creation_paused');
  });

  it('a restart of the controller doesn’t forget, and clears the probe of its earlier life away', async () => {
    await failTwice();
    host.script.holdBoot = true;
    aheadMs = 61_000;
    await api.controller.breaker.run();
    expect((await breaker()).state).toBe('half_open');
    await api[Symbol.asyncDispose]();
    // Before the next probe is due.
    aheadMs = 0;
    await start();
    await refused(await create(), 'creation_paused');
    expect((await breaker()).state).toBe('open');
    await until('the probe to be deleted', async () =>
      (await probes()).every(({ state }) => state === 'deleted'),
    );
  });

  it('is closed by hand, by an administrator', async () => {
    await failTwice();
    await refused(await api.call(ana, 'DELETE', '/api/host/breaker'), 'forbidden');
    const answer = await api.call(admin, 'DELETE', '/api/host/breaker');
    expect(breakerSchema.parse(await answer.json())).toMatchObject({
      state: 'closed',
      failures: 0,
      reason: null,
    });
    host.script.failBoot = null;
    expect((await create()).status).toBe(201);
  });

  it('hibernated VMs are resumed all the same, and count', async () => {
    expect((await create()).status).toBe(201);
    await until('ready', async () => (await list())[0]?.state === 'ready');
    const [vm] = await list();
    const id = vm?.id ?? '';
    await api.call(ana, 'POST', `/api/vms/${id}/hibernate`);
    // One success, and three failures.
    await failTwice();
    expect((await api.call(ana, 'POST', `/api/vms/${id}/resume`, { body: {} })).status).toBe(202);
    await until('a second success', async () => (await breaker()).successes === 2);
  });

  it('what says nothing about the host’s health doesn’t count', async () => {
    host.script.refuseCreate = new HearthError('image_missing', 'none');
    for (let tries = 0; tries < 4; tries += 1) await refused(await create(), 'image_missing');
    host.script.refuseCreate = null;
    host.script.failBoot = new HearthError('disk_full', 'no space left');
    for (let tries = 0; tries < 4; tries += 1) expect((await create()).status).toBe(201);
    await until('failures', async () => (await list()).every(({ state }) => state === 'failed'));
    expect(await breaker()).toMatchObject({ state: 'closed', failures: 0 });
  });
});
