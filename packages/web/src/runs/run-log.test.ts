import type { RunEvent } from '@hearth/contract';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { inShort, inWords, makeRunLog, type LogBlock, type RunLog } from './run-log.ts';

const at = '2026-01-01T00:00:00.000Z';
type Told = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, 'seq' | 'at'> : never) : never;
function tell(log: RunLog, events: readonly Told[], from = 0): void {
  events.forEach((event, index) => log.take({ seq: from + index, at, ...event }));
}
const blocks = (log: RunLog): LogBlock[] => log.view().pages.flatMap((page) => page.blocks);
const textOf = (log: RunLog): string =>
  blocks(log)
    .map((block) => (block.kind === 'text' ? block.text : ''))
    .join('');

it('holds the whole text, whatever its pieces, and ends its blocks at line breaks', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', '\n', 'é', 'b'.repeat(700)) })), (pieces) => {
      const log = makeRunLog();
      tell(
        log,
        pieces.map((text) => ({ type: 'text', text })),
      );
      expect(textOf(log)).toBe(pieces.join(''));
      for (const block of blocks(log).slice(0, -1))
        if (block.kind === 'text') expect(block.text.endsWith('\n')).toBe(true);
    }),
  );
});

it('draws nothing anew but the end: a thousand lines later the first pages are the same objects', () => {
  const log = makeRunLog();
  const line = { type: 'text', text: `${'x'.repeat(99)}\n` } as const;
  tell(log, new Array<Told>(5000).fill(line));
  const before = log.view().pages;
  expect(before.length).toBeGreaterThan(2);
  tell(log, new Array<Told>(1000).fill(line), 5000);
  const after = log.view().pages;
  for (const page of before.slice(0, -1)) expect(after).toContain(page);
});

it('puts the end of a tool into its beginning, also pages later', () => {
  const log = makeRunLog();
  tell(log, [{ type: 'tool', phase: 'started', id: 't', name: 'Bash', input: { command: 'ls' } }]);
  tell(log, new Array<Told>(60).fill({ type: 'tool_error', message: 'x' }), 1);
  tell(log, [{ type: 'tool', phase: 'finished', id: 't', output: 'a\n', isError: false }], 61);
  expect(blocks(log)[0]).toEqual({
    kind: 'tool',
    id: 't',
    name: 'Bash',
    input: 'ls',
    headline: 'ls',
    output: 'a\n',
    isError: false,
  });
  expect(blocks(log).filter(({ kind }) => kind === 'tool')).toHaveLength(1);
});

it('passes over what a new stream tells again, and knows from where to go on', () => {
  const log = makeRunLog();
  tell(log, [{ type: 'text', text: 'a' }]);
  tell(log, [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]);
  expect([textOf(log), log.view().lastSeq]).toEqual(['ab', 1]);
});

it('lets go of the beginning of what is too long, and says how much', () => {
  const log = makeRunLog(100_000);
  tell(log, new Array<Told>(5000).fill({ type: 'text', text: `${'x'.repeat(99)}\n` }));
  const { droppedChars } = log.view();
  expect(textOf(log).length + droppedChars).toBe(500_000);
  expect(textOf(log).length).toBeLessThanOrEqual(100_000);
});

it('tells sign-in, usage and end', () => {
  const log = makeRunLog();
  tell(log, [
    { type: 'needs_login', message: 'Please run /login' },
    { type: 'usage', inputTokens: 3, outputTokens: 4 },
    { type: 'done', exitCode: 1, state: 'failed' },
  ]);
  expect(log.view()).toMatchObject({
    needsLogin: 'Please run /login',
    usage: { inputTokens: 3, outputTokens: 4 },
    ended: true,
  });
});

it.each([
  [{ command: 'ls -l' }, 'ls -l'],
  ['plain', 'plain'],
  [undefined, ''],
  [{ path: 'a', n: 1 }, '{\n  "path": "a",\n  "n": 1\n}'],
])('says what a tool was called with: %j', (input, words) => {
  expect(inWords(input)).toBe(words);
});

it.each([
  [{ command: 'printf "a\\n" > b', description: 'Writes b' }, 'printf "a\\n" > b'],
  [{ n: 1, path: '/home/hearth/a' }, '/home/hearth/a'],
  ['first\nsecond', 'first'],
  [undefined, ''],
])('says in one line what a tool was called with, as it was: %j', (input, words) => {
  expect(inShort(input)).toBe(words);
});
