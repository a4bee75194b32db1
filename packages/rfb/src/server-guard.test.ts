import fc from 'fast-check';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { RfbError } from './dialogue.ts';
import { RGBX, type PixelFormat } from './pixel-format.ts';
import { createServerGuard } from './server-guard.ts';
import { crumbs, cutAt, cutsArbitrary, text, u16, u32, u8 } from './testing/bytes.ts';
import {
  cutText,
  extendedCutText,
  formats,
  PROVIDE,
  provided,
  rectangle,
  screen,
  serverMessageArbitrary,
  update,
} from './testing/server-stream.ts';

const CLIPBOARD_BYTES = 10_000;
/** No message begins so: where the guard finds it, a message ended. */
const END = u8(99);

function start(format: PixelFormat = RGBX, size = screen) {
  const geometries: string[] = [];
  let pictures = 0;
  const guard = createServerGuard({
    ...size,
    pixelFormat: () => format,
    clipboardLimitBytes: CLIPBOARD_BYTES,
    onGeometry: (width, height) => geometries.push(`${width}x${height}`),
    onPixels: () => {
      pictures += 1;
    },
  });
  return {
    geometries,
    pictures: () => pictures,
    push: (...parts: Uint8Array[]) => {
      for (const part of parts) guard.push(part);
    },
  };
}
const bigRaw = rectangle([0, 0, 640, 480], 0, Buffer.alloc(640 * 480 * 4));

describe('server guard', () => {
  it.each(formats)('knows the end of everything that a server may send, in $bitsPerPixel bits', (format) => {
    fc.assert(
      fc.property(
        fc.array(serverMessageArbitrary(format), { maxLength: 6 }),
        cutsArbitrary,
        (messages, cuts) => {
          const stream = Buffer.concat(messages);
          const guard = start(format);
          guard.push(...cutAt(stream, cuts));
          expect(() => guard.push(END)).toThrow('message of type 99');
        },
      ),
      { numRuns: 300 },
    );
  });

  it('tells pixels from what an update says besides', () => {
    const guard = start();
    // A cursor of nothing.
    guard.push(update(rectangle([0, 0, 0, 0], -239)));
    expect(guard.pictures()).toBe(0);
    guard.push(update(bigRaw));
    expect(guard.pictures()).toBe(1);
  });

  it('sees the same however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(serverMessageArbitrary(RGBX), { maxLength: 3 }), (messages) => {
        const stream = Buffer.concat(messages).subarray(0, 20_000);
        const whole = start();
        whole.push(stream);
        const cut = start();
        cut.push(...crumbs(stream));
        expect(cut.geometries).toEqual(whole.geometries);
      }),
      { numRuns: 60 },
    );
  });

  it('F41: takes any bytes, and objects by an RfbError or not at all', () => {
    const beginnings = [
      u8(),
      u8(0, 0, 0, 1),
      u8(0, 0, 255, 255),
      Buffer.concat([u8(0, 0, 0, 9), u16(0, 0, 9, 9), u32(7)]),
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...beginnings),
        fc.uint8Array({ maxLength: 500 }),
        cutsArbitrary,
        (beginning, bytes, cuts) => {
          const guard = start();
          try {
            guard.push(...cutAt(Buffer.concat([beginning, bytes]), cuts));
          } catch (error) {
            expect(error).toBeInstanceOf(RfbError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('tells a new size of the screen, and measures rectangles by it', () => {
    const guard = start();
    guard.push(update(rectangle([0, 0, 1000, 800], -223)));
    guard.push(update(rectangle([900, 700, 100, 100], 0, Buffer.alloc(40_000))));
    guard.push(update(rectangle([1, 0, 320, 200], -308, u8(0, 0, 0, 0))));
    expect(guard.geometries).toEqual(['1000x800', '320x200']);
    expect(() => guard.push(update(bigRaw))).toThrow('beyond the screen of 320x200');
  });

  it('a refused resize changes nothing', () => {
    const guard = start();
    guard.push(update(rectangle([1, 1, 320, 200], -308, u8(0, 0, 0, 0))), update(bigRaw));
    expect(guard.geometries).toEqual([]);
  });

  it.each<[string, Buffer, RegExp]>([
    ['an unknown message', u8(77), /message of type 77/],
    ['a colour map', u8(1, 0, 0, 0), /colour map/],
    [
      'an encoding that no viewer was let ask for',
      update(rectangle([0, 0, 1, 1], 5)),
      /encoding 5 was not asked for/,
    ],
    ['a rectangle beyond the right edge', update(rectangle([600, 0, 41, 1], 0)), /beyond the screen/],
    ['a rectangle beyond the lower edge', update(rectangle([0, 65_535, 1, 65_535], 7)), /beyond the screen/],
    ['a copy from beyond the screen', update(rectangle([0, 0, 10, 10], 1, u16(631, 0))), /beyond the screen/],
    ['an immense screen', update(rectangle([0, 0, 16_384, 16_384], -223)), /impossible geometry/],
    ['no screen', update(rectangle([0, 0, 0, 600], -308)), /impossible geometry/],
    ['an immense cursor', update(rectangle([0, 0, 4000, 10], -239)), /cursor/],
    [
      'a cursor of no known type',
      update(rectangle([0, 0, 10, 10], 0x574d5664, u8(2, 0))),
      /cursor of type 2/,
    ],
    ['too much compressed data', update(rectangle([0, 0, 10, 10], 16, u32(1_000_000))), /compressed/],
    ['4 GiB of compressed data', update(rectangle([0, 0, 10, 10], 6, u32(0xffffffff))), /compressed/],
    ['too large a JPEG', update(rectangle([0, 0, 10, 10], 7, u8(0x90, 0xff, 0xff, 0xff))), /compressed/],
    ['a PNG in Tight', update(rectangle([0, 0, 10, 10], 7, u8(0xa0))), /Tight compression 10/],
    ['a Tight filter of no kind', update(rectangle([0, 0, 10, 10], 7, u8(0x40, 3))), /Tight filter 3/],
    ['a long name', update(rectangle([0, 0, 0, 0], -307, u32(5000))), /name of 5000/],
    ['a long fence', u8(248, 0, 0, 0, 0, 0, 0, 0, 65), /fence of 65/],
    ['a long clipboard', u8(3, 0, 0, 0, 0, 1, 0, 0), /clipboard of 65536/],
    ['a long extended clipboard', Buffer.concat([u8(3, 0, 0, 0), u32(-1_000_000)]), /extended clipboard/],
    [
      'the longest extended clipboard',
      Buffer.concat([u8(3, 0, 0, 0), u32(0x80000000)]),
      /extended clipboard/,
    ],
    ['files in the clipboard', extendedCutText(PROVIDE | 16, provided(Buffer.from('x'))), /something else/],
    [
      'a clipboard that claims gigabytes',
      extendedCutText(PROVIDE | 1, provided(Buffer.from('x'), 2 ** 31)),
      /clipboard of 2147483648/,
    ],
    [
      'a clipboard that inflates to megabytes',
      extendedCutText(PROVIDE | 1, provided(Buffer.alloc(5_000_000))),
      /clipboard of 5000000/,
    ],
    [
      'a clipboard that is not compressed',
      extendedCutText(PROVIDE | 1, Buffer.alloc(100, 7)),
      /unknown length/,
    ],
    ['a clipboard of nothing', extendedCutText(PROVIDE | 1, deflateSync(Buffer.alloc(0))), /unknown length/],
  ])('refuses %s, for good', (_, bytes, message) => {
    const whole = start();
    expect(() => whole.push(bytes)).toThrow(message);
    expect(() => whole.push(u8(2))).toThrow(message);
    const cut = start();
    expect(() => cut.push(...crumbs(bytes))).toThrow(message);
  });

  it('lets a clipboard of exactly the limit pass', () => {
    const guard = start();
    guard.push(cutText(Buffer.alloc(CLIPBOARD_BYTES)));
    // Twice as long, and a NUL: each line end is two bytes in this form.
    guard.push(extendedCutText(PROVIDE | 1, provided(Buffer.alloc(2 * CLIPBOARD_BYTES + 1))));
    expect(() => guard.push(cutText(Buffer.alloc(CLIPBOARD_BYTES + 1)))).toThrow('10001');
  });

  it.each<[string, [number, number], Buffer]>([
    ['11 bytes as they are', [11, 1], Buffer.concat([u8(0x40, 1, 3), Buffer.alloc(12 + 11)])],
    [
      '12 bytes compressed',
      [12, 1],
      Buffer.concat([u8(0x40, 1, 3), Buffer.alloc(12), u8(5), Buffer.alloc(5)]),
    ],
    ['one bit a pixel', [16, 5], Buffer.concat([u8(0x40, 1, 1), Buffer.alloc(6 + 10)])],
    ['three colours', [16, 5], Buffer.concat([u8(0x40, 1, 2), Buffer.alloc(9), u8(5), Buffer.alloc(5)])],
    ['3 pixels as they are', [3, 1], Buffer.concat([u8(0), Buffer.alloc(9)])],
    ['4 pixels compressed', [4, 1], Buffer.concat([u8(0), u8(0x85, 0), Buffer.alloc(5)])],
    ['127 bytes', [64, 64], Buffer.concat([u8(0), u8(127), Buffer.alloc(127)])],
    ['128 bytes', [64, 64], Buffer.concat([u8(0), u8(0x80, 1), Buffer.alloc(128)])],
    ['16383 bytes', [64, 64], Buffer.concat([u8(0), u8(0xff, 0x7f), Buffer.alloc(16_383)])],
    ['16384 bytes', [64, 64], Buffer.concat([u8(0x90), u8(0x80, 0x80, 1), Buffer.alloc(16_384)])],
    [
      'all 22 bits of a length',
      [640, 480],
      Buffer.concat([u8(0), u8(0xab, 0xcd, 0x12), Buffer.alloc(0x2b | (0x4d << 7) | (0x12 << 14))]),
    ],
  ])('knows the end of Tight data: %s', (_, [width, height], payload) => {
    const guard = start();
    guard.push(update(rectangle([0, 0, width, height], 7, payload)));
    expect(() => guard.push(END)).toThrow('type 99');
  });

  it('goes on where the name of the desktop ends', () => {
    const guard = start();
    guard.push(update(rectangle([0, 0, 0, 0], -307, text('Ä desktop')), bigRaw));
    expect(() => guard.push(END)).toThrow('type 99');
  });
});
