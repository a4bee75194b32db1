import { expect, test } from 'vitest';
import { packCpio, type CpioEntry } from './cpio.ts';

const ENTRIES: CpioEntry[] = [
  { kind: 'folder', path: 'bin' },
  { kind: 'file', path: 'bin/tool', content: Buffer.from('hello'), executable: true },
  { kind: 'link', path: 'bin/sh', target: 'tool' },
];

/** Reads back what the kernel would. */
function unpack(archive: Buffer): { path: string; mode: string; content: string }[] {
  const found: { path: string; mode: string; content: string }[] = [];
  let at = 0;
  for (;;) {
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const number = (index: number): number =>
      parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const [mode, size, nameSize] = [number(1), number(6), number(11)];
    const path = archive.toString('utf8', at + 110, at + 110 + nameSize - 1);
    at += Math.ceil((110 + nameSize) / 4) * 4;
    if (path === 'TRAILER!!!') return found;
    found.push({ path, mode: mode.toString(8), content: archive.toString('utf8', at, at + size) });
    at += Math.ceil(size / 4) * 4;
  }
}

test('an archive holds what went in, all of it root’s and without times', () => {
  expect(unpack(packCpio(ENTRIES))).toEqual([
    { path: 'bin', mode: '40755', content: '' },
    { path: 'bin/tool', mode: '100755', content: 'hello' },
    { path: 'bin/sh', mode: '120777', content: 'tool' },
  ]);
});

test('the same input gives the same bytes', () => {
  expect(packCpio(ENTRIES).equals(packCpio(ENTRIES))).toBe(true);
});
