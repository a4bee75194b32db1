import { HearthError, parseConfig, startProgress } from '@hearth/contract';
import { expect, test } from 'vitest';
import { checkRoom, createBootSlots } from './admission.ts';

const wanted = {
  kind: 'cli',
  cpus: 1,
  memMiB: 2048,
  diskMiB: 1024,
  desktop: null,
  requestedAtMs: 0,
  requestId: 'r',
} as const;
const progress = (signal?: AbortSignal) =>
  startProgress({ what: 'test', timeoutMs: 1000, ...(signal === undefined ? {} : { signal }) });

test('F30: a VM that the host has no memory or cores for is refused with both numbers', () => {
  const config = parseConfig({}, {});
  expect(() => checkRoom(config, { ...wanted, memMiB: 10_000_000 }, [])).toThrow(
    /asks for 10000000 MiB.*the host has \d+ MiB/,
  );
  expect(() => checkRoom(config, wanted, [{ memMiB: 10_000_000 }])).toThrow(/has 0 MiB left/);
  expect(() => checkRoom(config, { ...wanted, cpus: 4096 }, [])).toThrow(/asks for 4096 CPUs/);
});

test('boots beyond the limit wait their turn in order', async () => {
  const slots = createBootSlots(1);
  const order: string[] = [];
  const first = await slots.take(progress());
  const second = slots.take(progress()).then((giveBack) => (order.push('second'), giveBack));
  const third = slots.take(progress()).then((giveBack) => (order.push('third'), giveBack));
  expect(slots.waiting).toBe(2);
  first();
  first();
  (await second)();
  (await third)();
  expect(order).toEqual(['second', 'third']);
});

test('a VM deleted while it waits leaves the queue', async () => {
  const slots = createBootSlots(1);
  const giveBack = await slots.take(progress());
  const gone = new AbortController();
  const waiting = slots.take(progress(gone.signal));
  gone.abort(new HearthError('vm_deleted', 'deleted'));
  await expect(waiting).rejects.toThrow(/deleted/);
  expect(slots.waiting).toBe(0);
  giveBack();
  (await slots.take(progress()))();
});
