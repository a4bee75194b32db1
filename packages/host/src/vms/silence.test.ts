import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterLook, noSilence, type Look, type Silence } from './silence.ts';

const GRACE_MS = 30_000;
const look = (nowMs: number, part: Partial<Look> = {}): Look => ({
  ...{ nowMs, well: false, answered: false, graceMs: GRACE_MS, policy: 'restart', maxRestarts: 3 },
  ...part,
});

describe('a VM that stops answering', () => {
  test('is given its grace, then restarted once', () => {
    const first = afterLook(noSilence, look(0));
    expect(first.act).toBe('none');
    expect(afterLook(first.silence, look(GRACE_MS - 1)).act).toBe('none');
    const due = afterLook(first.silence, look(GRACE_MS));
    expect(due.act).toBe('restart');
    expect(afterLook(due.silence, look(GRACE_MS + 1)).act, 'its new start has its own grace').toBe('none');
  });

  test('is only told of where it answers: somebody may be at work in it', () => {
    const { silence } = afterLook(noSilence, look(0, { answered: true }));
    expect(afterLook(silence, look(GRACE_MS, { answered: true })).act).toBe('tell');
  });

  test('is told of once, and cleared once it is well', () => {
    let silence: Silence = noSilence;
    const acts = [0, GRACE_MS, GRACE_MS + 1].map((nowMs) => {
      const after = afterLook(silence, look(nowMs, { policy: 'tell' }));
      silence = after.silence;
      return after.act;
    });
    expect(acts).toEqual(['none', 'tell', 'none']);
    expect(afterLook(silence, look(GRACE_MS + 2, { well: true, answered: true })).act).toBe('clear');
  });

  test('is restarted so often within an hour, then only told of', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.boolean(), { maxLength: 200 }),
        (maxRestarts, wells) => {
          let silence: Silence = noSilence;
          const restartsMs: number[] = [];
          wells.forEach((well, index) => {
            const nowMs = index * GRACE_MS;
            const after = afterLook(silence, look(nowMs, { well, answered: well, maxRestarts }));
            silence = after.silence;
            if (after.act === 'restart') restartsMs.push(nowMs);
          });
          for (const atMs of restartsMs)
            expect(
              restartsMs.filter((other) => other <= atMs && atMs - other < 3_600_000).length,
            ).toBeLessThanOrEqual(maxRestarts);
        },
      ),
    );
  });
});
