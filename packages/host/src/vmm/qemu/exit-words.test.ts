import { expect, test } from 'vitest';
import { describeExit } from './exit-words.ts';

test.each([
  [{ code: 1, signal: null }, 'exit code 1'],
  [{ code: null, signal: 'SIGKILL' }, "ended by SIGKILL (somebody's, or the kernel's for want of memory)"],
  [{ code: null, signal: 'SIGTERM' }, "ended by SIGTERM (somebody's)"],
  [{ code: null, signal: 'SIGSEGV' }, 'it crashed (SIGSEGV)'],
] as const)('an end tells whose fault it was: %o', (exit, words) => {
  expect(describeExit(exit)).toBe(words);
});
