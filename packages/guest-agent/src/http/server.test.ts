import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sendJson } from './answer.ts';
import { createHttpServer } from './server.ts';

let lines: Record<string, unknown>[] = [];
let server: ReturnType<typeof createHttpServer>;
let port = 0;

beforeEach(async () => {
  lines = [];
  server = createHttpServer({
    routes: [
      { method: 'GET', path: /^\/health$/, handle: async ({ response }) => sendJson(response, 200, {}) },
      {
        method: 'POST',
        path: /^\/things\/(\d+)$/,
        handle: async ({ response }) => sendJson(response, 201, {}),
      },
      {
        method: 'GET',
        path: /^\/stream$/,
        handle: async ({ upgrade }) => {
          const stream = upgrade('echo');
          stream.pipe(stream);
        },
      },
      { method: 'GET', path: /^\/endless$/, handle: async ({ response }) => void response.write('first') },
    ],
    authorize: () => undefined,
    log: (message, fields) => lines.push({ message, ...fields }),
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const call = async (path: string, init?: RequestInit): Promise<number> => {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
  await answer.text();
  return answer.status;
};
const soonLogged = (fields: Record<string, unknown>) =>
  expect
    .poll(() => lines)
    .toEqual([
      { message: 'request', requestId: undefined, durationMs: expect.any(Number) as number, ...fields },
    ]);

it('logs a request when it is over, with its id, without its query and headers', async () => {
  const init = {
    method: 'POST',
    body: 'fake-body-NOT-A-TOKEN',
    headers: { authorization: 'Bearer fake-NOT-A-TOKEN', 'x-request-id': 'req-12345678' },
  };
  expect(await call('/things/7?key=fake-key-NOT-A-TOKEN', init)).toBe(201);
  await soonLogged({ requestId: 'req-12345678', method: 'POST', path: '/things/7', status: 201 });
  expect(JSON.stringify(lines)).not.toContain('NOT-A-TOKEN');
});

it('leaves polls out, and takes no malformed id', async () => {
  expect(await call('/health')).toBe(200);
  expect(await call('/health?x=1')).toBe(200);
  expect(await call(`/${'n'.repeat(5000)}`, { headers: { 'x-request-id': 'no good' } })).toBe(404);
  await soonLogged({ method: 'GET', path: `/${'n'.repeat(199)}`, status: 404 });
});

it('says where the caller did not wait for the end (F45)', async () => {
  const asked = httpRequest({ port, host: '127.0.0.1', path: '/endless' }).end();
  asked.on('error', () => undefined);
  const [answer] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
  await once(answer, 'readable');
  asked.destroy();
  await soonLogged({ method: 'GET', path: '/endless', status: 200, cutOff: true });
});

it('logs a stream of another protocol once it has closed', async () => {
  const headers = { connection: 'Upgrade', upgrade: 'echo' };
  const asked = httpRequest({ port, host: '127.0.0.1', path: '/stream', headers }).end();
  const [, socket] = (await once(asked, 'upgrade')) as [unknown, Socket];
  socket.write('word');
  const [echo] = (await once(socket, 'data')) as [Buffer];
  expect([echo.toString(), lines]).toEqual(['word', []]);
  socket.destroy();
  await soonLogged({ method: 'GET', path: '/stream', status: 101 });
});
