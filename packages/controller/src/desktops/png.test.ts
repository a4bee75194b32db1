import fc from 'fast-check';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { encodePng } from './png.ts';
import { scaledRows } from './thumbnail.ts';

const never = new AbortController().signal;
const picture = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }))
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: width * height * 4, maxLength: width * height * 4 })
      .map((bytes) => ({ width, height, rgba: Buffer.from(bytes) })),
  );

describe('a picture as PNG', () => {
  it('is read by others as it was', async () => {
    await fc.assert(
      fc.asyncProperty(picture, async (original) => {
        const read = PNG.sync.read(await encodePng(scaledRows(original, undefined), never));
        expect([read.width, read.height]).toEqual([original.width, original.height]);
        const opaque = original.rgba.map((value, at) => (at % 4 === 3 ? 255 : value));
        expect(read.data.equals(opaque)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('is made smaller by the mean of the pixels, and never larger', async () => {
    await fc.assert(
      fc.asyncProperty(picture, fc.integer({ min: 1, max: 60 }), async (original, wanted) => {
        const read = PNG.sync.read(await encodePng(scaledRows(original, wanted), never));
        expect(read.width).toBe(Math.min(wanted, original.width));
        const ratio = (original.height * read.width) / original.width;
        expect(Math.abs(read.height - ratio)).toBeLessThanOrEqual(1);
        // The mean lies between the extremes.
        for (let channel = 0; channel < 3; channel += 1) {
          const of = (data: Uint8Array): number[] => [...data].filter((_value, at) => at % 4 === channel);
          const [before, after] = [of(original.rgba), of(read.data)];
          expect(Math.max(...after)).toBeLessThanOrEqual(Math.max(...before));
          expect(Math.min(...after)).toBeGreaterThanOrEqual(Math.min(...before));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('lets others run while it is made, and stops when it is told to', async () => {
    const large = { width: 2000, height: 1500, rgba: Buffer.alloc(2000 * 1500 * 4, 0x7f) };
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 0);
    await encodePng(scaledRows(large, undefined), never);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
    const stop = new AbortController();
    const encoding = encodePng(scaledRows(large, undefined), stop.signal);
    stop.abort();
    await expect(encoding).rejects.toThrow('aborted');
  });
});
