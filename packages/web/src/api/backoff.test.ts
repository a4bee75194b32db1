import { expect, it } from 'vitest';
import { backoffMs, LONGEST_PAUSE_MS } from './backoff.ts';

it('grows from half a second to ten, and no further', () => {
  expect([1, 2, 3, 4, 5, 6, 1000].map((failures) => backoffMs(failures, 0))).toEqual([
    500, 1000, 2000, 4000, 8000, 10_000, 10_000,
  ]);
});

it('is shorter by a fifth at most', () => {
  expect(backoffMs(20, 0.999)).toBeGreaterThanOrEqual(LONGEST_PAUSE_MS * 0.8);
  expect(backoffMs(20, 0.999)).toBeLessThan(LONGEST_PAUSE_MS);
});
