import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createQueryFilter } from './query-filter.ts';

const queries = [
  '\x1b[6n',
  '\x1b[5n',
  '\x1b[?6n',
  '\x1b[c',
  '\x1b[0c',
  '\x1b[>c',
  '\x1b[=c',
  '\x1b[?2026$p',
  '\x1b[>q',
  '\x1b[?u',
  '\x1b[18t',
  '\x1b]10;?\x07',
  '\x1b]11;?\x1b\\',
  '\x1b]4;7;?\x07',
  '\x1b]52;c;?\x07',
  '\x1bP$qm\x1b\\',
  '\x1bP+q544e\x1b\\',
];
const others = [
  'plain text',
  'wörld 🌍',
  '\x1b[1;31m',
  '\x1b[2J',
  '\x1b[?1049h',
  '\x1b[10;20H',
  '\x1b]0;a title\x07',
  '\x1b]11;#000000\x07',
  '\x1b]52;c;aGk=\x07',
  '\x1b]8;;https://example.org\x1b\\',
  '\x1b[22;0t',
  '\x1b(B',
  '\x1b7',
];
/** What the filter gives for a text that comes in these pieces. */
const filtered = (text: string, cuts: number[]): string => {
  const filter = createQueryFilter();
  const bytes = Buffer.from(text);
  const parts = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = cuts[turn % cuts.length] ?? 1;
    parts.push(filter(bytes.subarray(at, at + size)));
    at += size;
  }
  return Buffer.concat(parts).toString();
};

it('F32: takes questions out, whatever the pieces, and leaves everything else', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...queries, ...others)),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (parts, cuts) => {
        // What ends the text can't be held back as the beginning of a question.
        const text = [...parts, '.'].join('');
        const expected = [...parts.filter((part) => others.includes(part)), '.'].join('');
        expect(filtered(text, cuts)).toBe(expected);
      },
    ),
  );
});

it('holds no more back than a question can be long', () => {
  const filter = createQueryFilter();
  const text = `\x1b[${'1;'.repeat(400)}`;
  expect(Buffer.from(filter(Buffer.from(text))).toString()).toBe(text);
});
