import {
  closeCodeOf,
  HearthError,
  openedTerminalSchema,
  terminalNoticeSchema,
  terminalTicketSchema,
  vmSchema,
  type TerminalNotice,
  type VmId,
} from '@hearth/contract';
import { startFakeHost, type FakeHost, type FakeTerminal } from '@hearth/testing';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { z } from 'zod';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { refused } from '../test-problem.ts';

type Opened = z.infer<typeof openedTerminalSchema>;
let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;
let bob: string;
let now: Date;

beforeEach(async () => {
  now = new Date();
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, {}, { now: () => now });
  [ana, bob] = await Promise.all([api.token('ana'), api.token('bob')]);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  expect(api.controller.terminals.size(), 'no connection is left').toBe(0);
  await until('no viewer in any VM', () =>
    [...host.terminals.known.values()].every(({ viewers }) => viewers.size === 0),
  );
  await host.close();
  await rm(folder, { recursive: true });
});

const open = async (body: unknown = {}, path = '/api/terminals', token = ana): Promise<Opened> => {
  const answer = await api.call(token, 'POST', path, { body });
  expect(answer.status, await answer.clone().text()).toBe(201);
  return openedTerminalSchema.parse(await answer.json());
};
const fake = ({ id }: Opened): FakeTerminal => host.terminals.known.get(id) as FakeTerminal;
const askTicket = ({ id, vmId }: Opened, token = ana): Promise<Response> =>
  api.call(token, 'POST', `/api/vms/${vmId}/terminals/${id}/ticket`);
const ticketFor = async (terminal: Opened) =>
  terminalTicketSchema.parse(await (await askTicket(terminal)).json());

interface Viewer {
  socket: WebSocket;
  text: () => string;
  notices: TerminalNotice[];
  closed: Promise<{ code: number; reason: string }>;
}
const connect = (path: string, headers: Record<string, string> = {}): Viewer => {
  const url = new URL(path, api.url);
  url.protocol = 'ws:';
  const socket = new WebSocket(url, 'hearth-terminal.v1', { headers });
  let text = '';
  const notices: TerminalNotice[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) text += data.toString();
    else notices.push(terminalNoticeSchema.parse(JSON.parse(data.toString())));
  });
  socket.on('error', () => undefined);
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  return { socket, text: () => text, notices, closed };
};
const watch = async (terminal: Opened): Promise<Viewer> => {
  const viewer = connect((await ticketFor(terminal)).path);
  await until('the first bytes', () => viewer.text().includes('$ '));
  return viewer;
};
const closedFor = async (viewer: Viewer, code: Parameters<typeof closeCodeOf>[0]): Promise<void> =>
  expect(await viewer.closed).toEqual({ code: closeCodeOf(code), reason: code });

describe('a terminal', () => {
  it('is opened in one’s own CLI VM, which is made for it, and passes bytes, sizes and notices', async () => {
    const terminal = await open({ cols: 100, rows: 30 });
    const viewer = await watch(terminal);
    expect(viewer.socket.protocol).toBe('hearth-terminal.v1');
    expect(viewer.notices).toEqual([{ type: 'reset', cols: 100, rows: 30 }]);
    viewer.socket.send(Buffer.from('ls \xff\x00'));
    viewer.socket.send(JSON.stringify({ type: 'resize', cols: 90, rows: 20 }));
    await until('both', () => fake(terminal).inputs.length === 1);
    expect(fake(terminal).inputs).toEqual([{ type: 'resize', cols: 90, rows: 20 }]);
    await until('the echo', () => viewer.text().includes('ls '));
    const again = await open();
    expect(again.vmId).toBe(terminal.vmId);
    const list = await (await api.call(ana, 'GET', '/api/terminals')).json();
    expect(list).toMatchObject({ terminals: [{ id: terminal.id, viewers: 1 }, { id: again.id }] });
    expect(await (await api.call(bob, 'GET', '/api/terminals')).json()).toEqual({ terminals: [] });
    fake(terminal).exit(3);
    expect(await viewer.closed).toEqual({ code: 1000, reason: '' });
    expect(viewer.notices.at(-1)).toEqual({ type: 'exit', exitCode: 3 });
    const path = `/api/vms/${again.vmId}/terminals/${again.id}`;
    expect((await api.call(ana, 'DELETE', path)).status).toBe(204);
    expect(await refused(await api.call(ana, 'DELETE', path))).toMatchObject({ code: 'not_found' });
  });

  it('keeps what a viewer says before the way is open, in order', async () => {
    const terminal = await open();
    const viewer = connect((await ticketFor(terminal)).path);
    await once(viewer.socket, 'open');
    for (let count = 0; count < 50; count += 1) viewer.socket.send(Buffer.from(`${count} `));
    await until('all of it', () => fake(terminal).typed.endsWith(' 49 '));
    expect(fake(terminal).typed).toBe([...Array.from({ length: 50 }).keys(), ''].join(' '));
  });

  it('has several viewers, and outlives them', async () => {
    const terminal = await open();
    const [one, two] = [await watch(terminal), await watch(terminal)];
    fake(terminal).print('for both');
    await until('both', () => [one, two].every((viewer) => viewer.text().includes('for both')));
    one.socket.close();
    two.socket.terminate();
    await until('nobody', () => fake(terminal).viewers.size === 0);
    await watch(terminal);
  });

  it('holds back what a viewer does not take: nothing is queued for it here', async () => {
    const terminal = await open();
    const viewer = await watch(terminal);
    viewer.socket.pause();
    const [inVm] = fake(terminal).viewers;
    const part = Buffer.alloc(512 * 1024, 'x');
    let printed = 0;
    while (printed < 40 * part.length) {
      fake(terminal).print(part);
      printed += part.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    // All but what the kernel's buffers and one queue on the way take is still in the VM.
    expect(printed - (inVm?.writableLength ?? 0)).toBeLessThan(8 * 1024 * 1024);
    viewer.socket.resume();
    await until('all of it', () => inVm?.writableLength === 0);
  });

  it('marks its VM as used by what is typed and printed, not by being open', async () => {
    const terminal = await open();
    const show = async () =>
      vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${terminal.vmId}`)).json());
    const viewer = await watch(terminal);
    await until('the first use', async () => (await show()).lastUsedAt !== null);
    now = new Date(now.getTime() + 3_600_000);
    viewer.socket.ping();
    fake(terminal).notice({ type: 'viewers', count: 1 });
    await until('the notice', () => viewer.notices.length === 2);
    expect(Date.parse((await show()).lastUsedAt ?? '')).toBeLessThan(now.getTime() - 3_000_000);
    fake(terminal).print('output');
    await until('the use', async () => (await show()).lastUsedAt === now.toISOString());
    now = new Date(now.getTime() + 3_600_000);
    viewer.socket.send(Buffer.from('x'));
    await until('the use', async () => (await show()).lastUsedAt === now.toISOString());
  });

  it('ends with its VM, and says why', async () => {
    const terminal = await open();
    const viewer = await watch(terminal);
    await api.call(ana, 'DELETE', `/api/vms/${terminal.vmId}`);
    await closedFor(viewer, 'vm_deleted');
    const other = await open();
    const lost = await watch(other);
    host.machines.crash(other.vmId, new HearthError('kernel_panic', 'out of memory'));
    await closedFor(lost, 'vm_not_ready');
    const third = await open();
    const asleep = await watch(third);
    expect((await api.call(ana, 'POST', `/api/vms/${third.vmId}/hibernate`)).status).toBe(200);
    await closedFor(asleep, 'vm_hibernated');
    expect(await refused(await askTicket(third))).toMatchObject({ code: 'vm_hibernated' });
    expect(await (await api.call(ana, 'GET', '/api/terminals')).json()).toEqual({ terminals: [] });
  });

  it('is closed with the reason where the viewer sends what is no message', async () => {
    const terminal = await open();
    for (const wrong of ['{]', '{"type":"resize","cols":0,"rows":1}', '{"type":"drop"}']) {
      const viewer = await watch(terminal);
      viewer.socket.send(wrong);
      await closedFor(viewer, 'bad_request');
    }
  });

  it('of a tool needs that it is connected; in a browser VM there is none', async () => {
    const answer = await api.call(ana, 'POST', '/api/terminals', { body: { provider: 'codex' } });
    expect(await refused(answer)).toMatchObject({ code: 'credential_missing' });
    const apiKey = 'sk-fake-key-of-nobody-NOT-A-TOKEN';
    const stored = await api.call(ana, 'POST', '/api/auth/api-key', { body: { provider: 'codex', apiKey } });
    expect(stored.status, await stored.text()).toBeLessThan(300);
    expect(await open({ provider: 'codex' })).toMatchObject({ provider: 'codex' });
    const made = await api.call(ana, 'POST', '/api/vms', { body: { kind: 'browser' } });
    const { id } = vmSchema.parse(await made.json());
    await until('ready', async () => {
      const vm = vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${id}`)).json());
      return vm.state === 'ready';
    });
    const none = await api.call(ana, 'POST', `/api/vms/${id}/terminals`, { body: {} });
    expect(await refused(none)).toMatchObject({ code: 'not_a_cli_vm' });
    expect(await refused(await api.call(ana, 'GET', `/api/vms/${id}/terminals`))).toMatchObject({
      code: 'not_a_cli_vm',
    });
  });

  it('names what is wrong with a call', async () => {
    const wrong = await api.call(ana, 'POST', '/api/terminals', {
      body: { cols: 1, cwd: 'x', shell: 'zsh' },
    });
    expect(await refused(wrong)).toMatchObject({ status: 400, issues: ['cwd', 'cols', 'shell'] });
    const terminal = await open();
    const plain = await api.call(
      null,
      'GET',
      `/api/vms/${terminal.vmId}/terminals/${terminal.id}/ws?ticket=x`,
    );
    expect(await refused(plain)).toMatchObject({ code: 'bad_request' });
  });
});

describe('F41: a terminal', () => {
  it('is for who may see its VM', async () => {
    const terminal = await open();
    const { vmId, id } = terminal;
    expect(await refused(await askTicket(terminal, bob))).toMatchObject({ code: 'not_found' });
    for (const [method, path] of [
      ['GET', `/api/vms/${vmId}/terminals`],
      ['DELETE', `/api/vms/${vmId}/terminals/${id}`],
    ] as const) {
      expect(await refused(await api.call(bob, method, path))).toMatchObject({ code: 'not_found' });
      expect(await refused(await api.call(null, method, path))).toMatchObject({ code: 'unauthenticated' });
    }
    const answer = await api.call(bob, 'POST', `/api/vms/${vmId}/terminals`, { body: {} });
    expect(await refused(answer)).toMatchObject({ code: 'not_found' });
  });

  it('is opened by a ticket once, in its time, for this terminal alone; no ticket is logged', async () => {
    const [terminal, other] = [await open(), await open()];
    const used = await ticketFor(terminal);
    const viewer = connect(used.path);
    await until('open', () => viewer.text() !== '');
    await closedFor(connect(used.path), 'ticket_used');
    const forOther = await ticketFor(other);
    await closedFor(connect(forOther.path.replace(other.id, terminal.id)), 'ticket_foreign');
    const path = `/api/vms/${terminal.vmId}/terminals/${terminal.id}/ws`;
    await closedFor(connect(`${path}?ticket=${'A'.repeat(43)}`), 'ticket_unknown');
    await closedFor(connect(path), 'ticket_unknown');
    const late = await ticketFor(terminal);
    now = new Date(now.getTime() + 30_000);
    await closedFor(connect(late.path), 'ticket_expired');
    expect(fake(terminal).viewers.size).toBe(1);
    for (const { ticket } of [used, forOther, late]) expect(api.logged.join('')).not.toContain(ticket);
  });

  it('is not even looked at for a page of another origin; one that is gone is told so', async () => {
    const terminal = await open();
    const { path } = await ticketFor(terminal);
    const foreign = connect(path, { origin: 'http://evil.example' });
    const [, answer] = (await once(foreign.socket, 'unexpected-response')) as [unknown, IncomingMessage];
    expect(answer.statusCode).toBe(403);
    foreign.socket.terminate();
    const gone: Opened = { ...terminal, id: 'trm-000000000000' as Opened['id'] };
    await closedFor(connect((await ticketFor(gone)).path), 'not_found');
    const nowhere = { ...terminal, vmId: 'vm-000000000000' as VmId };
    expect(await refused(await askTicket(nowhere))).toMatchObject({ code: 'not_found' });
  });
});
