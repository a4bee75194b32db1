import { expect, it } from 'vitest';
import { formatAge, formatSpan } from './age.ts';

const from = '2026-01-01T00:00:00.000Z';
const after = (seconds: number): string => formatAge(from, Date.parse(from) + seconds * 1000);

it.each([
  [-5, 'just now'],
  [9, 'just now'],
  [59, '50 seconds'],
  [60, '1 minute'],
  [3599, '59 minutes'],
  [7200, '2 hours'],
  [86_400, '1 day'],
  [864_000, '10 days'],
])('%i seconds later it says: %s', (seconds, text) => {
  expect(after(seconds)).toBe(text);
});

it.each([
  [0, '0 ms'],
  [999.4, '999 ms'],
  [4210, '4.2 s'],
  [59_949, '59.9 s'],
  [59_960, '1 min 00 s'],
  [125_000, '2 min 05 s'],
])('%d ms are %s', (ms, text) => {
  expect(formatSpan(ms)).toBe(text);
});
