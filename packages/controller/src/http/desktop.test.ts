import {
  closeCodeOf,
  desktopEventSchema,
  desktopStateSchema,
  HearthError,
  ticketSchema,
  vmSchema,
  type DesktopEvent,
  type DesktopState,
  type Ticket,
  type VmId,
} from '@hearth/contract';
import { fakePixel, startFakeHost, type FakeDisplay, type FakeHost } from '@hearth/testing';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setEncodings, updateRequest } from '../desktops/test-desktop.ts';
import { openTestViewer, type TestViewer } from '../desktops/test-viewer.ts';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { refused } from '../test-problem.ts';
import { serverEvents } from '../test-events.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;
let bob: string;
let admin: string;
let now: Date;

beforeEach(async () => {
  now = new Date();
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, { desktop: { maxViewers: 3 } }, { now: () => now });
  [ana, bob, admin] = await Promise.all([api.token('ana'), api.token('bob'), api.token('root', 'admin')]);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  expect(api.controller.desktops.size(), 'nothing is left of any desktop').toBe(0);
  await until('no display to be open', () => host.displays.open.size === 0);
  await host.close();
  await rm(folder, { recursive: true });
});

const create = async (kind: 'browser' | 'cli' = 'browser'): Promise<VmId> => {
  const { id } = vmSchema.parse(await (await api.call(ana, 'POST', '/api/vms', { body: { kind } })).json());
  await until('ready', async () => {
    const vm = vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${id}`)).json());
    return vm.state === 'ready';
  });
  return id;
};
const askTicket = (id: VmId, body: unknown = {}, token = ana): Promise<Response> =>
  api.call(token, 'POST', `/api/vms/${id}/desktop/ticket`, { body });
const ticketFor = async (id: VmId, body: unknown = {}, token = ana): Promise<Ticket> => {
  const answer = await askTicket(id, body, token);
  expect(answer.status).toBe(201);
  return ticketSchema.parse(await answer.json());
};
const watch = async (
  id: VmId,
  body: unknown = {},
  token = ana,
): Promise<TestViewer & { ticket: Ticket; id: string }> => {
  const ticket = await ticketFor(id, body, token);
  const viewer = openTestViewer(api.url, ticket.path);
  await viewer.join();
  return { ...viewer, ticket, id: ticket.viewerId };
};
const act = (id: VmId, body: unknown, token = ana): Promise<Response> =>
  api.call(token, 'POST', `/api/vms/${id}/desktop/control`, { body });
const stateOf = (id: VmId): DesktopState => api.controller.desktops.state(id);
const KEY_A = Buffer.from([4, 1, 0, 0, 0, 0, 0, 0x61]);
const keysAt = (display: FakeDisplay | undefined): number =>
  (display?.messages ?? []).filter(([type]) => type === 4).length;
/** Closed for this reason, in words that a page can read. */
const closedFor = async (viewer: TestViewer, code: Parameters<typeof closeCodeOf>[0]): Promise<void> => {
  expect(await viewer.closed).toEqual({ code: closeCodeOf(code), reason: code });
};

it('marks when the first picture went to a viewer, once, and that the VM is in use', async () => {
  const id = await create();
  const show = async () => vmSchema.parse(await (await api.call(ana, 'GET', `/api/vms/${id}`)).json());
  const viewer = await watch(id);
  await until('the use', async () => (await show()).lastUsedAt !== null);
  expect((await show()).timeline.phases.map(({ phase }) => phase)).not.toContain('first_frame');
  now = new Date(Date.parse((await show()).timeline.startedAt) + 4321);
  const look = Buffer.concat([setEncodings, updateRequest(false, { width: 640, height: 480 })]);
  viewer.socket.send(look);
  const mark = { phase: 'first_frame', atMs: 4321 };
  await until('the mark', async () =>
    (await show()).timeline.phases.some(({ phase }) => phase === mark.phase),
  );
  expect((await show()).timeline.phases.at(-1)).toEqual(mark);
  now = new Date(now.getTime() + 1000);
  const second = await watch(id);
  second.socket.send(look);
  await until('its picture', () => [...host.displays.open].every(({ messages }) => messages.length > 1));
  expect((await show()).timeline.phases.at(-1)).toEqual(mark);
});

describe('F41: a ticket', () => {
  it('is for who may see the VM, for a VM with a desktop that is ready', async () => {
    const id = await create();
    expect(await refused(await askTicket(id, {}, bob))).toMatchObject({ code: 'not_found' });
    expect((await askTicket(id, {}, admin)).status).toBe(201);
    expect(await refused(await askTicket(await create('cli')))).toMatchObject({ code: 'not_a_desktop' });
    expect(await refused(await askTicket(id, { mode: 'drive', viewer: 'x' }))).toMatchObject({
      status: 400,
      issues: ['mode', 'viewer'],
    });
    host.script.holdBoot = true;
    const answer = await api.call(ana, 'POST', '/api/vms', { body: { kind: 'browser' } });
    const booting = vmSchema.parse(await answer.json()).id;
    expect(await refused(await askTicket(booting))).toMatchObject({ code: 'vm_not_ready' });
    host.machines.crash(id, new HearthError('kernel_panic', 'out of memory'));
    await until('the failure', async () => (await askTicket(id)).status === 409);
    expect((await refused(await askTicket(id))).detail).toContain('The guest kernel panicked');
  });

  it('expired, used, foreign and forged: accepted, and closed with the reason', async () => {
    const id = await create();
    const other = await create();
    const used = await ticketFor(id);
    const viewer = openTestViewer(api.url, used.path);
    await viewer.join();
    await closedFor(openTestViewer(api.url, used.path), 'ticket_used');
    await closedFor(openTestViewer(api.url, used.path.replace(id, other)), 'ticket_foreign');
    const path = `/api/vms/${id}/desktop/rfb`;
    await closedFor(openTestViewer(api.url, `${path}?ticket=${'A'.repeat(43)}`), 'ticket_unknown');
    await closedFor(openTestViewer(api.url, path), 'ticket_unknown');
    const late = await ticketFor(id);
    now = new Date(now.getTime() + 30_000);
    await closedFor(openTestViewer(api.url, late.path), 'ticket_expired');
    expect(host.displays.open.size, 'only the good one came to the VM').toBe(1);
    expect(api.logged.join('')).not.toContain(used.ticket);
    expect(api.logged.join('')).not.toContain(late.ticket);
  });

  it('is not even looked at for a page of another origin', async () => {
    const { path } = await ticketFor(await create());
    const foreign = openTestViewer(api.url, path, { origin: 'http://evil.example' });
    const [, answer] = (await once(foreign.socket, 'unexpected-response')) as [unknown, IncomingMessage];
    expect(answer.statusCode).toBe(403);
    foreign.socket.terminate();
    const ours = openTestViewer(api.url, path, { origin: api.url });
    expect(await ours.join()).toMatchObject({ width: 640, height: 480 });
  });

  it('asks for a WebSocket, and only here', async () => {
    const id = await create();
    expect(await refused(await api.call(ana, 'GET', `/api/vms/${id}/desktop/rfb`))).toMatchObject({
      code: 'bad_request',
    });
    for (const path of ['/health?code=secret', '/nothing?code=secret'])
      expect((await openTestViewer(api.url, path).closed).code).toBe(1006);
    expect(api.logged.join('')).not.toContain('secret');
  });
});

describe('viewers of a desktop', () => {
  it('see it; one drives, the others watch whatever they send', async () => {
    const id = await create();
    const one = await watch(id);
    const two = await watch(id);
    const viewOnly = await watch(id, { mode: 'view' }, admin);
    const [first, second, third] = [...host.displays.open];
    for (const { socket } of [one, two, viewOnly]) socket.send(KEY_A);
    await until('the key of the one that drives', () => keysAt(first) === 1);
    // The messages before this one were read as well, since they come in order.
    for (const { socket } of [two, viewOnly]) socket.send(Buffer.from([3, 0, 0, 0, 0, 0, 0, 1, 0, 1]));
    await until('the requests', () =>
      [second, third].every((display) => display?.messages.some(([type]) => type === 3)),
    );
    expect([keysAt(second), keysAt(third)]).toEqual([0, 0]);
    expect(stateOf(id)).toMatchObject({
      controllerId: one.id,
      geometry: { width: 640, height: 480 },
      viewers: [
        { id: one.id, user: 'ana', mode: 'control', connected: true },
        { id: two.id },
        { id: viewOnly.id, user: 'root', mode: 'view' },
      ],
    });
    const tooMany = openTestViewer(api.url, (await ticketFor(id)).path);
    await closedFor(tooMany, 'viewer_limit');
  });

  it('hand the control over, and what was held down is let go', async () => {
    const id = await create();
    const one = await watch(id);
    const two = await watch(id, {}, admin);
    const [first] = [...host.displays.open];
    one.socket.send(KEY_A);
    await until('the key', () => keysAt(first) === 1);
    expect(await refused(await act(id, { action: 'give', viewerId: two.id, to: two.id }))).toMatchObject({
      code: 'forbidden',
    });
    expect((await act(id, { action: 'ask', viewerId: two.id }, admin)).status).toBe(200);
    expect(stateOf(id).requests).toEqual([two.id]);
    const given = await act(id, { action: 'give', viewerId: one.id, to: two.id });
    expect(desktopStateSchema.parse(await given.json())).toMatchObject({
      controllerId: two.id,
      requests: [],
    });
    await until('the key to be let go', () => keysAt(first) === 2);
    expect(first?.messages.filter(([type]) => type === 4).at(-1)?.[1]).toBe(0);
    one.socket.send(KEY_A);
    expect((await act(id, { action: 'take', viewerId: one.id })).status).toBe(200);
    expect(stateOf(id).controllerId).toBe(one.id);
    expect(await refused(await act(id, { action: 'take', viewerId: one.id }, bob))).toMatchObject({
      code: 'not_found',
    });
    expect(await refused(await act(id, { action: 'take', viewerId: one.id }, admin))).toMatchObject({
      code: 'forbidden',
    });
    expect(await refused(await act(id, { action: 'dance', viewerId: one.id }))).toMatchObject({
      status: 400,
    });
  });

  it('take up their place after a lost connection, and leave it with a goodbye', async () => {
    const id = await create();
    const one = await watch(id);
    const two = await watch(id, { claim: false });
    one.socket.terminate();
    await until('the loss', () => stateOf(id).viewers[0]?.connected === false);
    expect(stateOf(id).controllerId).toBe(one.id);
    const again = await watch(id, { viewerId: one.id, claim: false });
    expect(stateOf(id)).toMatchObject({ controllerId: one.id, viewers: [{ connected: true }, {}] });
    // The same view once more: the older connection is told.
    const newest = await watch(id, { viewerId: one.id });
    await closedFor(again, 'viewer_replaced');
    expect(stateOf(id)).toMatchObject({ controllerId: one.id, viewers: [{ connected: true }, {}] });
    expect(await refused(await askTicket(id, { viewerId: one.id }, admin))).toMatchObject({
      code: 'forbidden',
    });
    newest.socket.close(1000);
    await until('the goodbye', () => stateOf(id).viewers.length === 1);
    expect(stateOf(id)).toMatchObject({ controllerId: null, viewers: [{ id: two.id }] });
  });

  it('hear why, when the VM ends or fails while they watch', async () => {
    const deleted = await create();
    const [one, two] = [await watch(deleted), await watch(deleted, { mode: 'view' })];
    await api.call(ana, 'DELETE', `/api/vms/${deleted}`);
    await closedFor(one, 'vm_deleted');
    await closedFor(two, 'vm_deleted');
    const failing = await create();
    const three = await watch(failing);
    host.machines.crash(failing, new HearthError('kernel_panic', 'out of memory'));
    await closedFor(three, 'vm_not_ready');
  });

  it('hear why, when the display cannot be reached or speaks no RFB', async () => {
    const id = await create();
    host.displays.script.refuse = new HearthError('desktop_unreachable', 'connection refused');
    await closedFor(openTestViewer(api.url, (await ticketFor(id)).path), 'desktop_unreachable');
    host.displays.script.refuse = null;
    host.displays.script.greeting = Buffer.from('HTTP/1.1 200');
    await closedFor(openTestViewer(api.url, (await ticketFor(id)).path), 'desktop_garbled');
    host.displays.script.greeting = null;
    const one = await watch(id);
    for (const { socket } of host.displays.open) socket.destroy();
    await closedFor(one, 'desktop_ended');
    await host.stop();
    await closedFor(openTestViewer(api.url, (await ticketFor(id)).path), 'host_unreachable');
  });

  it('are told to come back when the controller stops', async () => {
    const id = await create();
    const one = await watch(id);
    const events = await api.call(ana, 'GET', `/api/vms/${id}/desktop/events`);
    await Promise.all([api.controller.close(), closedFor(one, 'shutting_down'), events.text()]);
  });

  it('that send what is no RFB, or text, are closed with the reason', async () => {
    const id = await create();
    const garbage = await watch(id);
    garbage.socket.send(Buffer.from([99, 1, 2, 3]));
    await closedFor(garbage, 'viewer_protocol');
    const text = await watch(id);
    text.socket.send('hello');
    await closedFor(text, 'viewer_protocol');
  });

  it('that go away while the display is being opened leave nothing behind', async () => {
    const id = await create();
    host.displays.script.mute = true;
    const viewer = openTestViewer(api.url, (await ticketFor(id)).path);
    await until('the dial', () => host.displays.open.size === 1);
    viewer.socket.terminate();
    await until('the display to be let go', () => host.displays.open.size === 0);
    expect(stateOf(id).viewers).toMatchObject([{ connected: false }]);
    expect(stateOf(id).geometry).toBeNull();
  });
});

describe('GET /api/vms/:id/desktop/events', () => {
  it('tells who watches, at once and at each change, and notices; ends with the VM', async () => {
    const id = await create();
    const answer = await api.call(ana, 'GET', `/api/vms/${id}/desktop/events`);
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const events = serverEvents(answer, desktopEventSchema);
    const next = async (): Promise<DesktopEvent | undefined> => (await events.next()).value as DesktopEvent;
    expect(await next()).toEqual({
      type: 'desktop',
      desktop: { viewers: [], controllerId: null, requests: [], geometry: null },
    });
    const viewer = await watch(id);
    expect(await next()).toMatchObject({ desktop: { controllerId: viewer.id, geometry: null } });
    expect(await next()).toMatchObject({ desktop: { geometry: { width: 640, height: 480 } } });
    // A clipboard of 10 MB: announced, then in pieces, as noVNC sends it.
    const head = Buffer.from([6, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(10_000_000, 4);
    viewer.socket.send(head);
    for (let piece = 0; piece < 100; piece += 1) viewer.socket.send(Buffer.alloc(100_000, 0x61));
    expect(await next()).toMatchObject({
      type: 'notice',
      viewerId: viewer.id,
      failure: { code: 'clipboard_too_large' },
    });
    viewer.socket.send(KEY_A);
    const [display] = [...host.displays.open];
    await until('the key behind it', () => keysAt(display) === 1);
    expect(display?.messages.some(([type]) => type === 6)).toBe(false);
    await api.call(ana, 'DELETE', `/api/vms/${id}`);
    expect((await events.next()).done).toBe(true);
    await closedFor(viewer, 'vm_deleted');
  });

  it('begins while the VM boots, and is refused where there is nothing to tell', async () => {
    host.script.holdBoot = true;
    const answer = await api.call(ana, 'POST', '/api/vms', { body: { kind: 'browser' } });
    const { id } = vmSchema.parse(await answer.json());
    const events = await api.call(ana, 'GET', `/api/vms/${id}/desktop/events`);
    expect(events.status).toBe(200);
    expect(await refused(await api.call(bob, 'GET', `/api/vms/${id}/desktop/events`))).toMatchObject({
      code: 'not_found',
    });
    host.script.holdBoot = false;
    const cli = await create('cli');
    expect(await refused(await api.call(ana, 'GET', `/api/vms/${cli}/desktop/events`))).toMatchObject({
      code: 'not_a_desktop',
    });
    await api.call(ana, 'DELETE', `/api/vms/${id}?wait=true`);
    expect(await events.text()).toContain('event: desktop');
    expect(await refused(await api.call(ana, 'GET', `/api/vms/${id}/desktop/events`))).toMatchObject({
      code: 'vm_deleted',
    });
  });
});

describe('GET /api/vms/:id/desktop/screenshot.png', () => {
  const shoot = (id: VmId, query = '', token = ana): Promise<Response> =>
    api.call(token, 'GET', `/api/vms/${id}/desktop/screenshot.png${query}`);
  const pngOf = async (answer: Response): Promise<PNG> => {
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png']);
    return PNG.sync.read(Buffer.from(await answer.arrayBuffer()));
  };

  it('is the screen, pixel by pixel, or smaller; calls at once share one capture', async () => {
    const id = await create();
    const opened = (): number => host.calls.filter(({ path }) => path.endsWith('/desktop')).length;
    const [whole, small] = await Promise.all([
      shoot(id).then(pngOf),
      shoot(id, '?width=320', admin).then(pngOf),
      shoot(id, '?width=320').then(pngOf),
    ]);
    expect(opened()).toBe(1);
    expect([whole.width, whole.height, small.width, small.height]).toEqual([640, 480, 320, 240]);
    for (const [x, y] of [
      [0, 0],
      [639, 479],
      [300, 77],
    ] as const)
      expect([...whole.data.subarray((y * 640 + x) * 4, (y * 640 + x) * 4 + 3)]).toEqual(fakePixel(x, y, 0));
    // The mean of 2x2 pixels: 100 and 101 in both directions.
    expect([...small.data.subarray((50 * 320 + 50) * 4, (50 * 320 + 50) * 4 + 3)]).toEqual([101, 101, 0]);
    expect((await shoot(id)).status).toBe(200);
    expect(opened(), 'a young one serves again').toBe(1);
    expect(host.displays.open.size).toBe(0);
  });

  it('is refused in words', async () => {
    const id = await create();
    expect(await refused(await shoot(id, '', bob))).toMatchObject({ code: 'not_found' });
    expect(await refused(await shoot(id, '?width=0'))).toMatchObject({ issues: ['width'] });
    expect(await refused(await shoot(await create('cli')))).toMatchObject({ code: 'not_a_desktop' });
    host.displays.script.refuse = new HearthError('desktop_unreachable', 'connection refused');
    expect(await refused(await shoot(id))).toMatchObject({ code: 'desktop_unreachable' });
    // A failure is not kept.
    host.displays.script.refuse = null;
    expect((await shoot(id)).status).toBe(200);
  });
});
