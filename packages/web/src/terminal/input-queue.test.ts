import { expect, it } from 'vitest';
import { makeInputQueue, MAX_QUEUED_BYTES, type Sink } from './input-queue.ts';

const makeSink = (): Sink & { bufferedAmount: number; got: number[] } => {
  const got: number[] = [];
  const sink = {
    bufferedAmount: 0,
    got,
    send: (bytes: Uint8Array) => {
      sink.bufferedAmount += bytes.length;
      got.push(...bytes);
    },
  };
  return sink;
};
const bytes = (length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, index) => index % 251);

it('sends what is typed at once', () => {
  const queue = makeInputQueue();
  const sink = makeSink();
  expect(queue.push(Uint8Array.of(1, 2))).toBe(true);
  expect(queue.drain(sink)).toBe(true);
  expect(sink.got).toEqual([1, 2]);
});

it('sends a long paste no faster than it is taken, whole and in order', () => {
  const queue = makeInputQueue();
  const sink = makeSink();
  const pasted = bytes(300_000);
  queue.push(pasted);
  queue.push(Uint8Array.of(255));
  let rounds = 0;
  while (!queue.drain(sink)) {
    expect(sink.bufferedAmount).toBeLessThan(128 * 1024);
    sink.bufferedAmount = 0;
    rounds += 1;
  }
  expect(rounds).toBeGreaterThan(2);
  expect(sink.got).toEqual([...pasted, 255]);
});

it('refuses what is too much, and takes what is typed later', () => {
  const queue = makeInputQueue();
  expect(queue.push(bytes(MAX_QUEUED_BYTES + 1))).toBe(false);
  expect(queue.push(bytes(10))).toBe(true);
});
