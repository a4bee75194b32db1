import { expect, it } from 'vitest';
import { wordsOf } from './words.ts';

it('gives the last lines, without empty ones', () => {
  const text = Array.from({ length: 60 }, (_, at) => `line ${at}\n\n`).join('');
  const lines = wordsOf(text, []).split('\n');
  expect(lines).toHaveLength(20);
  expect(lines.at(-1)).toBe('line 59');
});

it.each([
  ['a pasted code', 'code: fake-code#fake-state ok', ['fake-code#fake-state'], 'code: [redacted] ok'],
  ['a part of it', 'code: fake-code', ['fake-code#fake-state'], 'code: [redacted]'],
  ['a known token', 'token fake.token-NOT-A-TOKEN!', ['fake.token-NOT-A-TOKEN'], 'token [redacted]!'],
  ['a key', 'key sk-fake-0123456789abcdef', [], 'key [redacted]'],
  ['what looks like base64', `x ${'QUJD'.repeat(12)} y`, [], 'x [redacted] y'],
  [
    'what a link carries',
    'go to https://a.example.org/b?state=1&code=2 now',
    [],
    'go to https://a.example.org/b?… now',
  ],
])('hides %s', (_what, text, secrets, shown) => {
  expect(wordsOf(text, secrets)).toBe(shown);
});

it('shows a device code', () => {
  expect(wordsOf('Enter ABCD-12345 at https://a.example.org/device', [])).toBe(
    'Enter ABCD-12345 at https://a.example.org/device',
  );
});
