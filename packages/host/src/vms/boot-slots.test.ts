import { HearthError, startProgress } from '@hearth/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBootSlots } from './boot-slots.ts';

const progress = (signal?: AbortSignal) =>
  startProgress({ what: 'test', timeoutMs: 60_000, ...(signal === undefined ? {} : { signal }) });
/** Until all that was set off has happened. */
const settle = () => new Promise((done) => setImmediate(done));

test('starts beyond the limit wait their turn in order', async () => {
  const slots = createBootSlots(1);
  const order: string[] = [];
  const first = await slots.take(progress());
  const second = slots.take(progress()).then((giveBack) => (order.push('second'), giveBack));
  const third = slots.take(progress()).then((giveBack) => (order.push('third'), giveBack));
  expect([slots.running, slots.waiting]).toEqual([1, 2]);
  first();
  first();
  (await second)();
  (await third)();
  expect(order).toEqual(['second', 'third']);
  expect([slots.running, slots.waiting]).toEqual([0, 0]);
});

test('F30: one person with many waiting starts keeps nobody else waiting', async () => {
  const slots = createBootSlots(1);
  const order: string[] = [];
  const first = await slots.take(progress(), 'ann');
  const takes = ['ann', 'ann', 'ann', 'bob', 'cid', 'bob'].map((queue) =>
    slots.take(progress(), queue).then((giveBack) => {
      order.push(queue);
      giveBack();
    }),
  );
  first();
  await Promise.all(takes);
  expect(order).toEqual(['ann', 'bob', 'cid', 'ann', 'bob', 'ann']);
});

test('a VM deleted while it waits leaves the queue', async () => {
  const slots = createBootSlots(1);
  const giveBack = await slots.take(progress());
  const gone = new AbortController();
  const waiting = slots.take(progress(gone.signal), 'ann');
  gone.abort(new HearthError('vm_deleted', 'deleted'));
  await expect(waiting).rejects.toThrow(/deleted/);
  expect(slots.waiting).toBe(0);
  giveBack();
  (await slots.take(progress()))();
});

interface Start {
  queue: string;
  gone: AbortController;
  state: 'waiting' | 'running' | 'over';
  giveBack: () => void;
}

test('F30: whoever comes and goes, never more run than may, nobody waits beside a free slot, and the queues take turns', async () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('come' as const), queue: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ type: fc.constantFrom('end' as const, 'leave' as const, 'both' as const), at: fc.nat(20) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 60 }),
      async (max, steps) => {
        const slots = createBootSlots(max);
        const starts: Start[] = [];
        const inState = (state: Start['state']) => starts.filter((start) => start.state === state);
        /** What the queues should be: those that wait, by turns. */
        let turns: string[] = [];
        for (const one of steps) {
          const before = new Set(inState('waiting'));
          if (one.type === 'come') {
            const gone = new AbortController();
            const start: Start = { queue: one.queue, gone, state: 'waiting', giveBack: () => undefined };
            starts.push(start);
            if (inState('running').length === max && !turns.includes(one.queue)) turns.push(one.queue);
            slots.take(progress(gone.signal), one.queue).then(
              (giveBack) => {
                if (start.state === 'over') giveBack();
                else Object.assign(start, { state: 'running', giveBack });
              },
              () => {
                start.state = 'over';
              },
            );
          }
          const running = inState('running');
          const ending =
            one.type === 'end' || one.type === 'both' ? running[one.at % running.length] : undefined;
          if (ending !== undefined) {
            ending.state = 'over';
            ending.giveBack();
          }
          const waiting = inState('waiting');
          if (one.type === 'leave' || one.type === 'both')
            waiting[one.at % waiting.length]?.gone.abort(new HearthError('vm_deleted', 'it left'));
          await settle();
          const left = inState('waiting');
          expect(inState('running').length).toBeLessThanOrEqual(max);
          expect([slots.running, slots.waiting]).toEqual([inState('running').length, left.length]);
          if (left.length > 0) expect(slots.running).toBe(max);
          const begun = starts.filter((start) => before.has(start) && start.state === 'running');
          for (const { queue } of begun) {
            // With `both`, somebody of the first queue may have left at that very moment.
            if (one.type === 'end') expect(queue).toBe(turns[0]);
            // First come, first served within a queue.
            if (one.type === 'end') expect(begun[0]).toBe([...before].find((start) => start.queue === queue));
            turns = [...turns.filter((name) => name !== queue), queue];
          }
          turns = turns.filter((name) => left.some(({ queue }) => queue === name));
        }
        for (const start of starts) start.gone.abort(new HearthError('vm_deleted', 'the test is over'));
        for (const start of inState('running')) start.giveBack();
        await settle();
        expect([slots.running, slots.waiting]).toEqual([0, 0]);
      },
    ),
    { numRuns: 300 },
  );
});
