import fc from 'fast-check';
import { expect, it } from 'vitest';
import { appendText, consoleAsText, emptyConsole, MAX_LINE_LENGTH, MAX_LINES } from './console-text.ts';

const read = (...chunks: string[]): string => consoleAsText(chunks.reduce(appendText, emptyConsole));

it('shows text as it comes, without colours and overwritten parts', () => {
  expect(
    read('[  0.1] Linux\r\n', '\u001b[0;32m  OK  \u001b[0m Started\n', '10%\r90%\r100%\nlog', 'in: '),
  ).toBe('[  0.1] Linux\n  OK   Started\n100%\nlogin: ');
  expect(read('\u001b]0;title\u0007a\u001b(Bb\u0000c\td\n')).toBe('abc\td');
});

it('reads the same however it is cut', () => {
  const text = '\u001b[1mone\u001b[0m\r\ntwo\nthree\r\n\nfour';
  fc.assert(
    fc.property(fc.nat(text.length), (cut) => {
      expect(read(text.slice(0, cut), text.slice(cut))).toBe(read(text));
    }),
  );
});

it('keeps the last lines, says how many are gone, and cuts a line that never ends', () => {
  const many = Array.from({ length: MAX_LINES + 7 }, (_, index) => `line ${index}\n`).join('');
  const console = appendText(emptyConsole, many);
  expect([console.lines.length, console.dropped, console.lines[0]]).toEqual([MAX_LINES, 7, 'line 7']);
  let endless = emptyConsole;
  for (let index = 0; index < 50; index += 1) endless = appendText(endless, 'x'.repeat(1000));
  expect(endless.open.length).toBe(MAX_LINE_LENGTH);
});
