import {
  execEventSchema,
  HearthError,
  readEvents,
  vmEventSchema,
  vmListEventSchema,
  vmSchema,
  type ExecEvent,
  type Vm,
  type VmId,
  type VmListEvent,
} from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { serverEvents } from '../test-events.ts';
import { refused } from '../test-problem.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath);
  ana = await api.token('ana');
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
const readyVm = async (): Promise<VmId> => {
  const id = await create();
  await until('ready', async () => (await show(id)).state === 'ready');
  return id;
};
const show = async (id: VmId): Promise<Vm> =>
  vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${id}`)).json());
const bodyOf = (answer: Response): AsyncIterable<Uint8Array> => {
  if (answer.body === null) throw new Error('no body');
  return answer.body;
};
const vmsOf = async function* (answer: Response): AsyncGenerator<Vm> {
  for await (const { vm } of serverEvents(answer, vmEventSchema)) yield vm;
};

describe('GET /api/vms/:id/events', () => {
  it('tells the VM at once and at each change, and ends when it is deleted', async () => {
    const id = await create();
    const answer = await api.call(ana, 'GET', `/api/vms/${id}/events`);
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const states: Vm['state'][] = [];
    const versions: number[] = [];
    for await (const vm of vmsOf(answer)) {
      states.push(vm.state);
      versions.push(vm.version);
      if (vm.state === 'ready') await api.call(ana, 'DELETE', `/api/vms/${id}`);
    }
    expect(states.at(0)).toMatch(/starting|ready/);
    expect(states.slice(-3)).toEqual(['ready', 'deleting', 'deleted']);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    await until('no subscription', () => api.controller.changes.size() === 0);
  });

  it('leaks nothing when clients go away', async () => {
    const id = await readyVm();
    const clients = Array.from({ length: 20 }, () => new AbortController());
    await Promise.all(
      clients.map(async ({ signal }) => {
        const answer = await api.call(ana, 'GET', `/api/vms/${id}/events`, { signal });
        await vmsOf(answer).next();
      }),
    );
    clients.forEach((client) => client.abort());
    await until('no subscription', () => api.controller.changes.size() === 0);
  });
});

describe('GET /api/vms/events', () => {
  const follow = async (token: string): Promise<AsyncGenerator<VmListEvent>> => {
    const answer = await api.call(token, 'GET', '/api/vms/events');
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    return serverEvents(answer, vmListEventSchema);
  };
  /** States of one VM as they come, up to the given one. */
  const statesUntil = async (
    events: AsyncGenerator<VmListEvent>,
    id: VmId,
    last: Vm['state'],
  ): Promise<Vm['state'][]> => {
    const states: Vm['state'][] = [];
    while (states.at(-1) !== last) {
      const { value } = (await events.next()) as { value: VmListEvent };
      if (value.type === 'vm' && value.vm.id === id) states.push(value.vm.state);
    }
    return states;
  };

  it('tells your VMs, then every change and every new one, up to its end; nobody else’s', async () => {
    const bob = await api.token('bob');
    await api.call(bob, 'POST', '/api/vms', { body: { kind: 'cli' } });
    const [old, gone] = [await readyVm(), await readyVm()];
    await api.call(ana, 'DELETE', `/api/vms/${gone}?wait=true`);
    const events = await follow(ana);
    const first = await events.next();
    expect(first.value).toMatchObject({ type: 'vm', vm: { id: old, state: 'ready' } });
    expect((await events.next()).value).toEqual({ type: 'listed' });

    const id = await create();
    expect(await statesUntil(events, id, 'ready')).toContain('starting');
    await api.call(bob, 'POST', '/api/vms', { body: { kind: 'cli' } });
    await api.call(ana, 'DELETE', `/api/vms/${id}`);
    expect(await statesUntil(events, id, 'deleted')).toEqual(['deleting', 'deleted']);
    await api.call(ana, 'DELETE', `/api/vms/${old}`);
    const rest: VmListEvent[] = [];
    while (rest.length < 2) rest.push((await events.next()).value as VmListEvent);
    expect(rest, 'nothing of bob’s came between').toMatchObject([{ vm: { id: old } }, { vm: { id: old } }]);
    await events.return(undefined);
    await until('no subscription', () => api.controller.changes.size() === 0);
  });

  it('ends a VM that the host refused for whoever saw it', async () => {
    const events = await follow(ana);
    expect((await events.next()).value).toEqual({ type: 'listed' });
    host.script.createDelayMs = 50;
    host.script.refuseCreate = new HearthError('disk_full', 'no space');
    const creating = api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } });
    await until(
      'the record',
      async () => (await api.db.selectFrom('vms').selectAll().execute()).length === 1,
    );
    const late = await follow(ana);
    const { value: seen } = (await late.next()) as { value: VmListEvent };
    expect(seen).toMatchObject({ type: 'vm', vm: { state: 'requested' } });
    expect((await late.next()).value).toEqual({ type: 'listed' });
    expect((await creating).status).toBe(507);
    expect((await late.next()).value).toMatchObject({ type: 'vm', vm: { state: 'deleted' } });
    await Promise.all([events.return(undefined), late.return(undefined)]);
  });

  it('misses nothing of what happens while it begins', async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, create));
    const events = await follow(ana);
    const last = new Map<VmId, Vm>();
    await until('all to be ready', async () => {
      const { value } = (await events.next()) as { value: VmListEvent };
      if (value.type === 'vm') {
        expect(value.vm.version, 'versions only grow').toBeGreaterThan(last.get(value.vm.id)?.version ?? -1);
        last.set(value.vm.id, value.vm);
      }
      return ids.every((id) => last.get(id)?.state === 'ready');
    });
    await events.return(undefined);
  });

  it('is for nobody without a token', async () => {
    expect(await refused(await api.call(null, 'GET', '/api/vms/events'))).toMatchObject({ status: 401 });
  });
});

describe('POST /api/vms/:id/exec', () => {
  const exec = (id: VmId, body: unknown, signal?: AbortSignal): Promise<Response> =>
    api.call(ana, 'POST', `/api/vms/${id}/exec`, { body, ...(signal === undefined ? {} : { signal }) });
  const eventsOf = async (answer: Response): Promise<ExecEvent[]> => {
    const events: ExecEvent[] = [];
    for await (const event of readEvents(bodyOf(answer), execEventSchema)) events.push(event);
    return events;
  };

  it('streams the command’s events', async () => {
    const answer = await exec(await readyVm(), { command: ['echo', 'hello'] });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const events = await eventsOf(answer);
    expect(events.map(({ type }) => type)).toEqual(['started', 'stdout', 'exit']);
    expect(events[1]).toMatchObject({ dataBase64: Buffer.from('hello\n').toString('base64') });
  });

  it('F45: a client that goes away ends the command', async () => {
    const id = await readyVm();
    const client = new AbortController();
    const answer = await exec(id, { command: ['sleep'] }, client.signal);
    for await (const event of readEvents(bodyOf(answer), execEventSchema)) {
      expect(event.type).toBe('started');
      break;
    }
    client.abort();
    await until('no command to run', () => host.executions.running.size === 0);
  });

  it('takes standard input as it comes, and signals', async () => {
    const id = await readyVm();
    const answer = await exec(id, { command: ['cat'], stdin: true });
    const events: ExecEvent[] = [];
    for await (const event of readEvents(bodyOf(answer), execEventSchema)) {
      events.push(event);
      if (event.type === 'started') {
        const written = await api.call(ana, 'PUT', `/api/vms/${id}/exec/${event.execId}/stdin`, {
          body: 'x'.repeat(2_000_000),
          headers: { 'content-type': 'application/octet-stream' },
        });
        expect(written.status).toBe(204);
      }
    }
    const bytes = events.reduce(
      (sum, event) => sum + (event.type === 'stdout' ? Buffer.from(event.dataBase64, 'base64').length : 0),
      0,
    );
    expect(bytes).toBe(2_000_000);

    const sleep = await exec(id, { command: ['sleep'] });
    for await (const event of readEvents(bodyOf(sleep), execEventSchema)) {
      if (event.type === 'started')
        await api.call(ana, 'POST', `/api/vms/${id}/exec/${event.execId}/signal`, {
          body: { signal: 'SIGTERM' },
        });
      if (event.type === 'exit') expect(event).toMatchObject({ exitCode: 143, signal: 'SIGTERM' });
    }
  });

  it('ends a broken answer by an error, never like a complete one', async () => {
    const events = await eventsOf(await exec(await readyVm(), { command: ['die'] }));
    expect(events.at(-1)).toMatchObject({ type: 'error', problem: { code: 'host_unreachable' } });
  });

  it('never logs the environment of a command', async () => {
    const answer = await exec(await readyVm(), { command: ['env'], env: { API_KEY: 'sk-very-secret' } });
    expect((await eventsOf(answer)).map(({ type }) => type)).toContain('stdout');
    expect(api.logged.join('')).not.toContain('sk-very-secret');
  });

  it('refuses what is not right before it reaches the host', async () => {
    const id = await readyVm();
    const before = host.calls.length;
    expect(await refused(await exec(id, { command: [], env: { '1x': 'y' }, shell: true }))).toMatchObject({
      issues: ['command', 'env.1x', 'shell'],
    });
    expect(host.calls.length).toBe(before);
    host.script.holdBoot = true;
    expect(await refused(await exec(await create(), { command: ['echo'] }))).toMatchObject({
      code: 'vm_not_ready',
    });
    await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    expect(await refused(await exec(id, { command: ['echo'] }))).toMatchObject({ code: 'vm_deleted' });
  });

  it('tells the cause of a VM that failed', async () => {
    const id = await readyVm();
    host.machines.crash(id, new HearthError('vmm_failed', 'signal 9'));
    await until('failed', async () => (await show(id)).state === 'failed');
    const answer = await refused(await exec(id, { command: ['echo'] }));
    expect(answer).toMatchObject({ code: 'vm_not_ready' });
    expect(answer.detail).toContain('signal 9');
  });

  it('ends with an error line when the controller stops', async () => {
    const answer = await exec(await readyVm(), { command: ['sleep'] });
    const events = eventsOf(answer);
    await until('the command', () => host.executions.running.size === 1);
    await api.controller.close();
    expect((await events).at(-1)).toMatchObject({ type: 'error', problem: { code: 'shutting_down' } });
    await until('no command to run', () => host.executions.running.size === 0);
  });
});

describe('GET /api/vms/:id/console', () => {
  it('F13: is readable while it grows, with times, and after the VM is gone', async () => {
    const id = await readyVm();
    const answer = await api.call(ana, 'GET', `/api/vms/${id}/console?follow=true`);
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    host.machines.writeConsole(id, 'login:\n');
    let text = '';
    for await (const chunk of bodyOf(answer)) {
      text += Buffer.from(chunk).toString();
      if (text.includes('login:')) await api.call(ana, 'DELETE', `/api/vms/${id}`);
    }
    expect(text).toBe('hearth-phase: kernel\nlogin:\n');
    const after = await api.call(ana, 'GET', `/api/vms/${id}/console?timestamps=true`);
    expect(await after.text()).toMatch(/^2026-\S+ hearth-phase: kernel\n/);
    const wrong = await api.call(ana, 'GET', `/api/vms/${id}/console?follow=maybe&lines=3`);
    expect((await refused(wrong)).issues.toSorted()).toEqual(['follow', 'lines']);
  });
});

describe('files', () => {
  const file = (id: VmId, query: string): string => `/api/vms/${id}/files?${query}`;

  it('go in and come out as they are, also large and empty ones', async () => {
    const id = await readyVm();
    for (const size of [0, 1, 3_000_000]) {
      const text = 'ü'.repeat(size);
      const written = await api.call(ana, 'PUT', file(id, 'path=/home/hearth/f&mode=600'), {
        body: text,
        headers: { 'content-type': 'application/octet-stream' },
      });
      expect(await written.json()).toEqual({ path: '/home/hearth/f', bytes: size * 2 });
      const read = await api.call(ana, 'GET', file(id, 'path=/home/hearth/f'));
      expect(read.headers.get('content-length')).toBe(String(size * 2));
      expect((await read.text()) === text).toBe(true);
    }
  });

  it('report what is wrong', async () => {
    const id = await readyVm();
    expect(await refused(await api.call(ana, 'GET', file(id, 'path=/none')))).toMatchObject({
      status: 404,
      code: 'file_not_found',
    });
    expect(await refused(await api.call(ana, 'GET', file(id, 'path=relative&x=1')))).toMatchObject({
      issues: ['path', 'x'],
    });
    expect(
      await refused(await api.call(ana, 'PUT', file(id, 'path=/x&mode=999'), { body: 'x' })),
    ).toMatchObject({
      issues: ['mode'],
    });
  });
});
