import { fastify, type FastifyReply } from 'fastify';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { until } from '../test-controller.ts';
import { openEventStream, type EventStream } from './event-stream.ts';

it('drops a reader that went to sleep, and holds no more than its backlog for it', async () => {
  await using app = fastify();
  let stopped = 0;
  let stream: EventStream | null = null;
  app.get('/', (_request, reply: FastifyReply) => {
    stream = openEventStream(reply, new AbortController().signal, () => (stopped += 1));
    stream.send({ type: 'hello' });
    return stream.start();
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const request = httpRequest(url).end();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.on('error', () => undefined).pause();
  const text = 'x'.repeat(64 * 1024);
  let sent = 0;
  await until('the reader to be dropped', () => {
    stream?.send({ type: 'news', text });
    sent += text.length;
    return stopped === 1;
  });
  // What the kernel holds for a connection comes on top of the backlog.
  expect(sent).toBeLessThan(32 * 1024 * 1024);
  request.destroy();
});
