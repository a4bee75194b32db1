import { stripVTControlCharacters } from 'node:util';

/** Text of a guest for a terminal: one line, without what could steer it. */
export const plainLine = (text: string): string =>
  stripVTControlCharacters(text)
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trimEnd();

const ascii: Readonly<Record<string, string>> = {
  '✓': '+',
  '✗': 'x',
  '–': '-',
  '→': '->',
  '·': '-',
  '…': '...',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
};

/** For a terminal that has no other characters. */
export const toAscii = (text: string): string =>
  text.replaceAll(/[^\u0000-\u007f]/gu, (character) => ascii[character] ?? '?');

/** Breaks a text at its spaces; the lines behind the first are set in by so many columns. */
export function wrapText(text: string, columns: number, indent: number): string {
  const room = Math.max(20, columns - indent);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}
