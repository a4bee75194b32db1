import { DESKTOP_PASSWORD_HEADER, HearthError, problemSchema, Secret, type VmId } from '@hearth/contract';
import fastify, { type FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { answerProblems } from '../http/problems.ts';
import { acceptTunnels } from '../tunnel/tunnels.ts';
import { addDesktopRoute } from './desktop-route.ts';
import type { DisplayEndpoint } from './dial-display.ts';

const ID = 'vm-000000000001' as VmId;
let folder: string;
let app: FastifyInstance;
let display: Server;
let guests: Socket[];
let endpoint: () => DisplayEndpoint;
let listeners: Set<() => void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-route-'));
  guests = [];
  listeners = new Set();
  display = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    guests.push(socket);
  });
  display.listen(0, '127.0.0.1');
  await once(display, 'listening');
  const { port } = display.address() as AddressInfo;
  endpoint = () => ({ ip: '127.0.0.1', port, password: new Secret('opensesa') });
  app = fastify({ forceCloseConnections: true });
  answerProblems(app);
  app.addHook('onRequest', (incoming, _reply, done) => {
    done(incoming.headers['x-user'] === 'nobody' ? new HearthError('forbidden', 'not you') : undefined);
  });
  addDesktopRoute(app, acceptTunnels(app), {
    idOf: () => ID,
    endpoint: () => endpoint(),
    onEnd: (_id, listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  await app.listen({ path: join(folder, 'host.sock') });
});
afterEach(async () => {
  await app.close();
  display.close();
  await rm(folder, { recursive: true });
});

/** Asks for the desktop; a connection where it was given, else the code of the problem. */
async function open(
  headers: Record<string, string> = {},
): Promise<{ socket: Socket; head: string } | string> {
  const call = request({
    socketPath: join(folder, 'host.sock'),
    path: `/v1/vms/${ID}/desktop`,
    headers: { connection: 'Upgrade', upgrade: 'rfb', ...headers },
  });
  call.end();
  const outcome = Promise.withResolvers<{ socket: Socket; head: string } | string>();
  call.on('error', outcome.reject);
  call.on('upgrade', (answer: IncomingMessage, socket: Socket, head: Buffer) => {
    expect(answer.headers[DESKTOP_PASSWORD_HEADER]).toBe('opensesa');
    outcome.resolve({ socket, head: String(head) });
  });
  call.on('response', (answer) => {
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    answer.setEncoding('utf8').on('data', (text: string) => {
      outcome.resolve(problemSchema.parse(JSON.parse(text)).code);
    });
  });
  return outcome.promise;
}

async function connected(): Promise<{ caller: Socket; guest: Socket; head: string }> {
  const before = guests.length;
  const answer = await open();
  if (typeof answer === 'string') throw new Error(answer);
  const guest = await vi.waitFor(() => {
    const newest = guests[before];
    expect(newest).toBeDefined();
    return newest as Socket;
  });
  answer.socket.on('error', () => undefined);
  return { caller: answer.socket, guest, head: answer.head };
}

test('bytes pass both ways, in order, the first included', async () => {
  display.on('connection', (socket: Socket) => socket.write('RFB 003.008\n'));
  const { caller, guest, head } = await connected();
  let text = head;
  caller.on('data', (chunk: Buffer) => (text += String(chunk)));
  await vi.waitFor(() => expect(text).toBe('RFB 003.008\n'));
  caller.write('hello');
  expect(String((await once(guest, 'data'))[0])).toBe('hello');
});

test('16 MB arrive whole at a reader that pauses all the time, and their end after them', async () => {
  const { caller, guest } = await connected();
  const whole = Buffer.alloc(16 * 1024 * 1024);
  for (let at = 0; at < whole.length; at += 4) whole.writeUInt32LE(at, at);
  guest.end(whole);
  const parts: Buffer[] = [];
  for await (const part of caller as AsyncIterable<Buffer>) {
    parts.push(part);
    if (parts.length % 50 === 0) await pause(2);
  }
  expect(Buffer.concat(parts).equals(whole)).toBe(true);
});

test('a caller that takes nothing holds the guest back', async () => {
  const { caller, guest } = await connected();
  caller.pause();
  const part = Buffer.alloc(1024 * 1024);
  const held = process.memoryUsage().arrayBuffers;
  while (guest.write(part) || guest.writableLength < 4 * part.length) await pause(1);
  await pause(50);
  expect(process.memoryUsage().arrayBuffers - held).toBeLessThan(1024 * 1024);
  caller.destroy();
  await vi.waitFor(() => expect(guest.destroyed).toBe(true));
});

test.each<[string, () => void, string]>([
  ['the VM', () => listeners.forEach((listener) => listener()), 'ended'],
  ['the daemon', () => void app.close(), 'stops'],
])('the end of %s closes both sides', async (_what, act) => {
  const { caller, guest } = await connected();
  caller.resume();
  guest.resume();
  act();
  await Promise.all([once(caller, 'close'), once(guest, 'close')]);
  expect(listeners.size).toBe(0);
});

test('F38: a display that cannot be reached is told apart and named', async () => {
  display.close();
  expect(await open()).toBe('desktop_unreachable');
  expect(guests).toHaveLength(0);
});

test('what is refused is refused before the upgrade, by the hooks and errors of every call', async () => {
  expect(await open({ upgrade: 'websocket' })).toBe('bad_request');
  expect(await open({ 'x-user': 'nobody' })).toBe('forbidden');
  endpoint = () => {
    throw new HearthError('not_a_desktop', 'a cli VM');
  };
  expect(await open()).toBe('not_a_desktop');
  expect(guests).toHaveLength(0);
});

test('no descriptor is left behind after many connections', async () => {
  const count = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
  const first = await connected();
  first.caller.destroy();
  await once(first.guest.resume(), 'close');
  const before = await count();
  for (let round = 0; round < 20; round += 1) {
    const { caller, guest } = await connected();
    (round % 2 === 0 ? caller : guest).destroy();
    await once((round % 2 === 0 ? guest : caller).resume(), 'close');
  }
  await vi.waitFor(async () => expect(await count()).toBeLessThanOrEqual(before));
});
