import { Duplex } from 'node:stream';
import { startProgress, type GuestMessage } from '@hearth/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openControlChannel } from './control-channel.ts';

/** Two ends of one stream. */
function pair(): [Duplex, Duplex] {
  const make = (): Duplex => new Duplex({ read: () => undefined, allowHalfOpen: false });
  const [a, b] = [make(), make()];
  const join = (from: Duplex, to: Duplex): void => {
    from._write = (chunk: Buffer, _encoding, done) => {
      to.push(chunk);
      done();
    };
    from._final = (done) => {
      to.push(null);
      done();
    };
  };
  join(a, b);
  join(b, a);
  return [a, b];
}
const quiet = (): void => undefined;
const progress = () => startProgress({ what: 'test', timeoutMs: 1000 });
const hello = { type: 'hello', agentVersion: '1', bootId: 'b', uptimeSeconds: 1 };

test('a torn first line is dropped, the next message counts', async () => {
  const [host, guest] = pair();
  const heard: GuestMessage[] = [];
  openControlChannel(host, (message) => heard.push(message), quiet);
  guest.write(`ssion":"1.0"}\n${JSON.stringify(hello)}\n`);
  await expect.poll(() => heard).toEqual([hello]);
});

test('replies are matched by id; a refusal is an error with the words of the guest', async () => {
  const [host, guest] = pair();
  const channel = openControlChannel(host, quiet, quiet);
  guest.on('data', (chunk: Buffer) => {
    // The empty line with which a host announces itself.
    if (chunk.toString().trim() === '') return;
    const { id, type } = JSON.parse(chunk.toString()) as { id: number; type: string };
    guest.write(
      `${JSON.stringify(type === 'report' ? { type: 'reply', id, ok: true, data: 42 } : { type: 'reply', id, ok: false, error: 'no' })}\n`,
    );
  });
  expect(await channel.request({ type: 'report' }, progress())).toBe(42);
  await expect(channel.request({ type: 'shutdown' }, progress())).rejects.toThrow(/the guest refused: no/);
});

test('a request under way fails when the channel closes', async () => {
  const [host] = pair();
  const channel = openControlChannel(host, quiet, quiet);
  const asked = channel.request({ type: 'report' }, progress());
  channel.close();
  await expect(asked).rejects.toThrow(/closed during a request/);
  await channel.closed;
});

test('a hostile guest that sends only garbage is given up, and nothing throws', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 20 }),
      async (chunks) => {
        const [host, guest] = pair();
        const channel = openControlChannel(host, quiet, quiet);
        for (const chunk of chunks) guest.write(Buffer.concat([chunk, Buffer.from('\n')]));
        guest.end();
        await channel.closed;
      },
    ),
    { numRuns: 50 },
  );
});

test('more than 100 lines in a row that are no message end the channel', async () => {
  const [host, guest] = pair();
  const channel = openControlChannel(host, quiet, quiet);
  guest.write('{"type":"nonsense"}\n'.repeat(102));
  await channel.closed;
  expect(host.destroyed).toBe(true);
});
