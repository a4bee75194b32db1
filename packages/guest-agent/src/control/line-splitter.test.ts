import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLineSplitter } from './line-splitter.ts';

describe('line splitter', () => {
  it('gives the same lines whatever the chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat(40)), (texts, cuts) => {
        const lines = texts.map((text) => text.replaceAll('\n', ' '));
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const splitter = createLineSplitter();
        const got: (string | null)[] = [];
        let from = 0;
        for (const cut of cuts) {
          got.push(...splitter.push(bytes.subarray(from, from + cut)));
          from += cut;
        }
        got.push(...splitter.push(bytes.subarray(from)));
        // TextDecoder drops a byte order mark; JSON has none.
        expect(got).toEqual(lines.map((line) => line.replace(/^\uFEFF/, '')));
      }),
    );
  });

  it('takes any bytes, and the next line after them', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
        const splitter = createLineSplitter(64);
        for (const chunk of chunks)
          for (const line of splitter.push(chunk))
            if (line !== null) expect(line.length).toBeLessThanOrEqual(64);
        splitter.push(Buffer.from('\n'));
        expect(splitter.push(Buffer.from('{"a":1}\n'))).toEqual(['{"a":1}']);
      }),
    );
  });

  it('drops a line that is too long, once, and holds no memory for it', () => {
    const splitter = createLineSplitter(10);
    expect(splitter.push(Buffer.alloc(1000, 'x'))).toEqual([]);
    expect(splitter.push(Buffer.from('xx\nok\n'))).toEqual([null, 'ok']);
  });

  it('forgets a line that was begun when its writer is gone', () => {
    const splitter = createLineSplitter();
    splitter.push(Buffer.from('{"torn'));
    splitter.reset();
    expect(splitter.push(Buffer.from('{}\n'))).toEqual(['{}']);
  });
});
