import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { askGateway } from './ask-gateway.ts';

/** A DNS server that answers each query without records and with this code, or not at all. */
async function startServer(rcode: number | null) {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    if (rcode === null) return;
    const answer = Buffer.from(query);
    answer.writeUInt16BE(0x8180 | rcode, 2);
    socket.send(answer, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

it.each([
  ['no error', 0, 'ENODATA'],
  ['SERVFAIL', 2, 'ESERVFAIL'],
  ['NXDOMAIN', 3, 'ENOTFOUND'],
  ['REFUSED', 5, 'EREFUSED'],
])('takes any answer for one: %s', async (_name, rcode, word) => {
  await using server = await startServer(rcode);
  const found = await askGateway('127.0.0.1', { port: server.port, timeoutMs: 20_000 });
  expect(found).toEqual({ ok: true, detail: `127.0.0.1 answered: ${word}` });
});

it('says so where none comes, and where nobody listens', async () => {
  const { port } = await (async () => {
    await using server = await startServer(null);
    const { ok, detail } = await askGateway('127.0.0.1', { port: server.port, timeoutMs: 100 });
    expect([ok, detail]).toEqual([false, '127.0.0.1 gave no answer within 100 ms']);
    return server;
  })();
  const closed = await askGateway('127.0.0.1', { port, timeoutMs: 20_000 });
  expect([closed.ok, closed.detail]).toEqual([false, expect.stringContaining("can't be asked")]);
});
