import {
  execEventSchema,
  hostCapacitySchema,
  hostEventSchema,
  hostHealthSchema,
  goneVmSchema,
  hostVmSchema,
  problemSchema,
  readEvents,
  type HostEvent,
  type HostVm,
} from '@hearth/contract';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool, type Dispatcher } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startFakeHost, type FakeHost } from './index.ts';

let folder: string;
let host: FakeHost;
let pool: Pool;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-fake-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  pool = new Pool('http://host', { socketPath: host.socketPath });
});
afterEach(async () => {
  await pool.destroy();
  await host.close();
  await rm(folder, { recursive: true });
});

const ID = 'vm-000000000000';
const BODY = { kind: 'cli', cpus: 1, memMiB: 2048, diskMiB: 1024, requestedAtMs: 0, requestId: 'request-1' };
const call = (
  method: Dispatcher.HttpMethod,
  path: string,
  body?: unknown,
): Promise<Dispatcher.ResponseData> =>
  pool.request({ method, path, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
const create = async (): Promise<HostVm> =>
  hostVmSchema.parse(await (await call('PUT', `/v1/vms/${ID}`, BODY)).body.json());
const problemOf = async (answer: Dispatcher.ResponseData): Promise<string> => {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  return problemSchema.parse(await answer.body.json()).code;
};

describe('the fake keeps to the contract of the host API', () => {
  it('health, capacity and list', async () => {
    hostHealthSchema.parse(await (await call('GET', '/v1/health')).body.json());
    hostCapacitySchema.parse(await (await call('GET', '/v1/capacity')).body.json());
    await create();
    const list = z.object({ vms: z.array(hostVmSchema) });
    expect(list.parse(await (await call('GET', '/v1/vms')).body.json()).vms).toHaveLength(1);
  });

  it('PUT is idempotent by id, DELETE also takes what is unknown', async () => {
    const first = await create();
    expect((await create()).address).toEqual(first.address);
    const gone = goneVmSchema.parse(await (await call('DELETE', `/v1/vms/${ID}`)).body.json());
    expect(gone.state).toBe('gone');
    const again = await call('DELETE', `/v1/vms/${ID}`);
    expect([again.statusCode, goneVmSchema.parse(await again.body.json()).state]).toEqual([200, 'gone']);
    expect(await problemOf(await call('GET', `/v1/vms/${ID}`))).toBe('not_found');
  });

  it('events begin with each VM and tell every change up to gone', async () => {
    await create();
    const answer = await call('GET', '/v1/events');
    const seen: HostEvent[] = [];
    for await (const event of readEvents(answer.body, hostEventSchema)) {
      seen.push(event);
      if (event.type !== 'vm') continue;
      if (event.vm.state === 'ready') await call('DELETE', `/v1/vms/${ID}`);
      if (event.vm.state === 'gone') break;
    }
    const states = seen.flatMap((event) => (event.type === 'vm' ? [event.vm.state] : []));
    expect(states).toEqual(['creating', 'booting', 'ready', 'deleting', 'gone']);
    const versions = seen.flatMap((event) => (event.type === 'vm' ? [event.vm.version] : []));
    expect(versions).toEqual([0, 1, 2, 3, 4]);
  });

  it('exec streams events of the contract', async () => {
    await create();
    expect(await problemOf(await call('POST', `/v1/vms/${ID}/exec`, { command: ['echo'] }))).toBe(
      'vm_not_ready',
    );
    await new Promise((resolve) => setTimeout(resolve, 60));
    const answer = await call('POST', `/v1/vms/${ID}/exec`, { command: ['nothing-of-this-name'] });
    const types: string[] = [];
    for await (const event of readEvents(answer.body, execEventSchema)) types.push(event.type);
    expect(types).toEqual(['started', 'error']);
  });

  it('refuses what the contract does not know', async () => {
    expect(await problemOf(await call('PUT', `/v1/vms/${ID}`, { ...BODY, colour: 'red' }))).toBe(
      'bad_request',
    );
    expect(await problemOf(await call('PUT', '/v1/vms/1', BODY))).toBe('bad_request');
    expect(await problemOf(await call('GET', '/v1/nothing'))).toBe('route_not_found');
    expect(await problemOf(await call('PATCH', `/v1/vms/${ID}`))).toBe('method_not_allowed');
  });
});
