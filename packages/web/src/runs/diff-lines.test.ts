import { expect, it } from 'vitest';
import { countLines, diffLines } from './diff-lines.ts';

const diff = [
  'Index: a.txt',
  '===================================================================',
  '--- a.txt',
  '+++ a.txt',
  '@@ -1,3 +1,3 @@',
  ' same',
  '--- a dashed line that goes',
  '+++ a plus line that comes',
  ' ',
  '\\ No newline at end of file',
  '',
].join('\n');

it('knows the lines of a diff, also those that look like a header', () => {
  const lines = diffLines(diff);
  expect(lines.map(({ kind }) => kind)).toEqual(['hunk', 'same', 'removed', 'added', 'same', 'note']);
  expect(countLines(lines)).toEqual({ added: 1, removed: 1 });
});

it('says nothing of an empty one', () => {
  expect(diffLines('')).toEqual([]);
  expect(diffLines('--- a\n+++ b\n')).toEqual([]);
});
