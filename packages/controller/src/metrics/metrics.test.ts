import { runStates, Secret, vmSchema, type UserId, type VmId } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTestController, until, type TestController } from '../test-controller.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let admin: string;
let ana: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-metrics-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, { controller: { rateLimit: { max: 40 } } });
  admin = await api.token('root', 'admin');
  ana = await api.token('ana');
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

async function metrics(): Promise<string> {
  const answer = await api.call(admin, 'GET', '/metrics');
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  return answer.text();
}
const valueOf = (text: string, series: string): number => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  expect(line, `a series ${series}`).toBeDefined();
  return Number(line?.split(' ').at(-1));
};
async function createVm(kind: string): Promise<VmId> {
  const answer = await api.call(ana, 'POST', '/api/vms', { body: { kind } });
  const { id } = vmSchema.parse(await answer.json());
  return id;
}
const stateOf = async (id: VmId): Promise<string> =>
  vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${id}`)).json()).state;

describe('GET /metrics', () => {
  test('is for administrators', async () => {
    expect((await api.call(ana, 'GET', '/metrics')).status).toBe(403);
    expect((await api.call(null, 'GET', '/metrics')).status).toBe(401);
  });

  test('counts VMs, their starts and their phases, once each', async () => {
    const id = await createVm('cli');
    await until('the VM to be ready', async () => (await stateOf(id)) === 'ready');
    const text = await metrics();
    expect(valueOf(text, 'hearth_vms{kind="cli",state="ready"}')).toBe(1);
    expect(valueOf(text, 'hearth_vms{kind="browser",state="ready"}')).toBe(0);
    expect(valueOf(text, 'hearth_vm_starts_total{kind="cli",outcome="ready"}')).toBe(1);
    expect(valueOf(text, 'hearth_vm_starts_total{kind="cli",outcome="failed"}')).toBe(0);
    expect(text).toMatch(/hearth_boot_phase_seconds_count\{kind="cli",origin="\w+",phase="ready"\} 1\n/);
    expect(valueOf(text, 'hearth_breaker_state{state="closed"}')).toBe(1);
    expect(valueOf(text, 'hearth_vm_unhealthy')).toBe(0);
    // Later changes of the same VM count for nothing.
    await api.call(ana, 'DELETE', `/api/vms/${id}`);
    await until('the VM to be gone', async () => (await stateOf(id)) === 'deleted');
    const after = await metrics();
    expect(valueOf(after, 'hearth_vm_starts_total{kind="cli",outcome="ready"}')).toBe(1);
    expect(valueOf(after, 'hearth_vms{kind="cli",state="ready"}')).toBe(0);
  });

  test('counts calls by their routes’ patterns: no id becomes a label', async () => {
    const id = await createVm('cli');
    await api.call(ana, 'GET', `/api/vms/${id}`);
    await api.call(ana, 'GET', '/api/nothing/here');
    const text = await metrics();
    expect(
      valueOf(
        text,
        'hearth_http_request_duration_seconds_count{method="GET",route="/api/vms/:id",status="200"}',
      ),
    ).toBe(1);
    expect(text).not.toContain(id);
    expect(text).not.toMatch(/(vm|usr|run|req|tok)-[0-9a-z]{12}/);
    expect(text).not.toContain('nothing/here');
  });

  test('counts runs and sign-ins by state', async () => {
    const { userId } = (await (await api.call(ana, 'GET', '/api/me')).json()) as { userId: UserId };
    await api.controller.credentials.storeApiKey(
      { userId, provider: 'claude_code' },
      new Secret('sk-ant-fake-0123456789-NOT-A-TOKEN'),
      userId,
    );
    const body = { provider: 'claude_code', prompt: 'hello' };
    expect((await api.call(ana, 'POST', '/api/runs', { body })).status).toBe(202);
    const text = await metrics();
    const runs = text.split('\n').filter((line) => line.startsWith('hearth_runs{'));
    expect(runs).toHaveLength(runStates.length);
    expect(runs.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)).toBe(1);
    expect(valueOf(text, 'hearth_signins{state="awaiting_user"}')).toBe(0);
  });

  test('has the host’s metrics behind the controller’s, and says where it does not answer', async () => {
    const both = await metrics();
    expect(valueOf(both, 'hearth_host_up')).toBe(1);
    expect(both).toContain('hearth_host_vms');
    await host.stop();
    const alone = await metrics();
    expect(valueOf(alone, 'hearth_host_up')).toBe(0);
    expect(alone).not.toContain('hearth_host_vms');
    expect(alone).toContain('hearth_controller_process_resident_memory_bytes');
    await host.restart();
  });

  test('F29: an allowance that is used up is counted by its class', async () => {
    const statuses: number[] = [];
    for (let call = 0; call < 42; call += 1) statuses.push((await api.call(ana, 'GET', '/api/me')).status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(2);
    expect(valueOf(await metrics(), 'hearth_rate_limited_total{class="calls"}')).toBe(2);
  });
});
