import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createTerminalFrameReader, encodeTerminalBytes, encodeTerminalJson } from './terminal-frames.ts';
import { terminalFrame } from './terminal.ts';

it('gives the same messages, however the stream is cut', () => {
  const message = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => ({ type: 'bytes' as const, bytes })),
    fc.nat(99).map((count) => ({ type: 'json' as const, text: JSON.stringify({ type: 'viewers', count }) })),
  );
  fc.assert(
    fc.property(
      fc.array(message),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (sent, cuts) => {
        const stream = Buffer.concat(
          sent.flatMap((one) =>
            one.type === 'bytes'
              ? encodeTerminalBytes(one.bytes)
              : [encodeTerminalJson(JSON.parse(one.text) as never)],
          ),
        );
        const read = createTerminalFrameReader();
        const got = [];
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const size = cuts[turn % cuts.length] ?? 1;
          for (const frame of read(stream.subarray(at, at + size)))
            got.push(frame.type === 'bytes' ? { ...frame, bytes: Uint8Array.from(frame.bytes) } : frame);
          at += size;
        }
        expect(got).toEqual(sent);
      },
    ),
  );
});

it('splits what is longer than a message may be', () => {
  const frames = encodeTerminalBytes(new Uint8Array(terminalFrame.maxPayloadBytes + 1));
  expect(frames.map(({ length }) => length)).toEqual([terminalFrame.maxPayloadBytes + 5, 6]);
});

it('refuses what is no message', () => {
  expect(() => createTerminalFrameReader()(Buffer.from([7, 0, 0, 0, 0]))).toThrow('unknown type 7');
  expect(() => createTerminalFrameReader()(Buffer.from([0, 0, 16, 0, 1]))).toThrow('1048577 bytes');
});
