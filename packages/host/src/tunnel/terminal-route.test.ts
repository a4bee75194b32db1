import {
  createTerminalFrameReader,
  encodeTerminalBytes,
  HearthError,
  problemSchema,
  Secret,
  type VmId,
} from '@hearth/contract';
import fastify, { type FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHttpServer } from '../../../guest-agent/src/http/server.ts';
import type { AgentEndpoint } from '../guest-link/agent-client.ts';
import { answerProblems } from '../http/problems.ts';
import { addTerminalRoute } from './terminal-route.ts';
import { acceptTunnels } from './tunnels.ts';

const ID = 'vm-000000000001' as VmId;
const TERMINAL = 'trm-000000000001';
let folder: string;
let app: FastifyInstance;
let agent: Server;
let inGuest: Duplex[];
let listeners: Set<() => void>;
let endpoint: () => AgentEndpoint & { port?: number };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-tunnel-'));
  inGuest = [];
  listeners = new Set();
  // The agent's own server, with a terminal that echoes.
  agent = createHttpServer({
    routes: [
      {
        method: 'GET',
        path: /^\/terminals\/([^/]+)\/attach$/,
        handle: async ({ params, upgrade }) => {
          if (params[0] !== TERMINAL) throw new HearthError('not_found', 'no such terminal');
          const stream = upgrade('hearth-terminal');
          inGuest.push(stream);
          stream.on('error', () => undefined).pipe(stream);
        },
      },
    ],
    authorize: ({ headers }) => {
      if (headers.authorization !== 'Bearer fake-NOT-A-TOKEN')
        throw new HearthError('unauthenticated', 'not the host daemon');
    },
    log: () => undefined,
  });
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  const { port } = agent.address() as AddressInfo;
  endpoint = () => ({ ip: '127.0.0.1', port, token: new Secret('fake-NOT-A-TOKEN') });
  app = fastify({ forceCloseConnections: true });
  answerProblems(app);
  addTerminalRoute(app, acceptTunnels(app), {
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
  agent.closeAllConnections();
  for (const socket of inGuest) socket.destroy();
  agent.close();
  await rm(folder, { recursive: true });
});

/** A connection where it was given, else the code of the problem. */
async function open(terminalId = TERMINAL, upgrade = 'hearth-terminal'): Promise<Socket | string> {
  const call = request({
    socketPath: join(folder, 'host.sock'),
    path: `/v1/vms/${ID}/terminals/${terminalId}/attach`,
    headers: { connection: 'Upgrade', upgrade },
  });
  call.end();
  const outcome = Promise.withResolvers<Socket | string>();
  call.on('error', outcome.reject);
  call.on('upgrade', (_answer, socket, head: Buffer) => {
    socket.on('error', () => undefined);
    if (head.length > 0) socket.unshift(head);
    outcome.resolve(socket);
  });
  call.on('response', (answer) => {
    answer.setEncoding('utf8').on('data', (text: string) => {
      outcome.resolve(problemSchema.parse(JSON.parse(text)).code);
    });
  });
  return outcome.promise;
}
async function connected(): Promise<Socket> {
  const answer = await open();
  if (typeof answer === 'string') throw new Error(answer);
  return answer;
}

test('frames pass to the agent and back, 4 MB of them whole', async () => {
  const caller = await connected();
  const whole = Buffer.alloc(4 * 1024 * 1024);
  for (let at = 0; at < whole.length; at += 4) whole.writeUInt32LE(at, at);
  const read = createTerminalFrameReader();
  const parts: Buffer[] = [];
  caller.on('data', (chunk: Buffer) => {
    for (const frame of read(chunk)) if (frame.type === 'bytes') parts.push(Buffer.from(frame.bytes));
  });
  for (const frame of encodeTerminalBytes(whole)) caller.write(frame);
  await vi.waitFor(() => expect(parts.reduce((sum, { length }) => sum + length, 0)).toBe(whole.length), 5000);
  expect(Buffer.concat(parts).equals(whole)).toBe(true);
  caller.destroy();
});

test('what is refused is refused before the upgrade, with the agent’s own reason', async () => {
  expect(await open('trm-000000000002')).toBe('not_found');
  expect(await open('x')).toBe('bad_request');
  expect(await open(TERMINAL, 'rfb')).toBe('bad_request');
  const { token: _token, ...where } = endpoint();
  endpoint = () => ({ ...where, token: new Secret('another') });
  expect(await open()).toBe('unauthenticated');
  endpoint = () => {
    throw new HearthError('vm_not_ready', 'it boots');
  };
  expect(await open()).toBe('vm_not_ready');
  expect(listeners.size).toBe(0);
});

test('F38: an agent that can’t be reached is named', async () => {
  agent.close();
  expect(await open()).toBe('agent_unreachable');
});

test.each<[string, (caller: Socket) => void]>([
  ['the VM', () => listeners.forEach((listener) => listener())],
  ['the viewer', (caller) => caller.destroy()],
  ['the terminal', () => inGuest[0]?.end()],
  ['the daemon', () => void app.close()],
])('the end of %s closes both sides', async (_what, act) => {
  const caller = await connected();
  await vi.waitFor(() => expect(inGuest).toHaveLength(1));
  const [guest] = inGuest;
  const closed = [caller, guest].map((socket) => new Promise((resolve) => socket?.once('close', resolve)));
  caller.resume();
  act(caller);
  await Promise.all(closed);
  await vi.waitFor(() => expect(listeners.size).toBe(0));
});
