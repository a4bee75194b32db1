import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resizeScreen } from './desktop-size.ts';
import { RfbError, type RfbDialogue } from './dialogue.ts';
import { capturePicture, countColours } from './framebuffer-capture.ts';
import { joinServer, type ServerInit } from './handshake.ts';
import { text, u16, u32, u8 } from './testing/bytes.ts';
import { feed } from './testing/feed.ts';
import { cutText, greeting, rawRectangle, rectangle, update } from './testing/server-stream.ts';
import { pixelFormatMessage, resizeMessage } from './testing/viewer-stream.ts';
import { RGBX } from './pixel-format.ts';

function* joined<T>(next: (init: ServerInit) => RfbDialogue<T>): RfbDialogue<T> {
  return yield* next(yield* joinServer(null));
}
const init: ServerInit = { width: 4, height: 3, pixelFormat: RGBX, name: '' };
const noise = Buffer.concat([u8(2), cutText(Buffer.from('clip')), u8(2)]);

describe('picture of the screen', () => {
  it('puts the rectangles together, past bells and clipboards', () => {
    const bytes = Buffer.concat([
      noise,
      update(
        rawRectangle([0, 0, 4, 1], (pixel) => 0x010203 + pixel),
        rawRectangle([0, 1, 1, 2], () => 0x99ffffff),
      ),
      noise,
      // Pixels that were painted already are not counted again.
      update(rawRectangle([0, 0, 4, 1], () => 5)),
      update(
        rawRectangle([0, 0, 4, 1], (pixel) => 0x0a0b0c + pixel),
        rawRectangle([3, 3, 0, 0], () => 0),
      ),
      update(rawRectangle([1, 1, 3, 2], () => 0x00ff00)),
    ]);
    const { value, rest, sent } = feed(capturePicture(init), Buffer.concat([bytes, u8(77)]));
    expect(rest).toEqual(u8(77));
    expect(sent.subarray(0, 20)).toEqual(pixelFormatMessage(RGBX));
    expect(value).toMatchObject({ width: 4, height: 3 });
    const row = [255, 255, 255, 255, ...[0, 255, 0, 255], ...[0, 255, 0, 255], ...[0, 255, 0, 255]];
    expect([...(value?.rgba ?? [])]).toEqual([
      ...[0x0c, 0x0b, 0x0a, 255, 0x0d, 0x0b, 0x0a, 255, 0x0e, 0x0b, 0x0a, 255, 0x0f, 0x0b, 0x0a, 255],
      ...row,
      ...row,
    ]);
  });

  it('takes a large screen in parts', () => {
    const large = { ...init, width: 1280, height: 720 };
    const stream = update(rawRectangle([0, 0, 1280, 720], (pixel) => pixel));
    const { value, longestRead } = feed(capturePicture(large), stream);
    expect(longestRead).toBeLessThanOrEqual(64 * 1024);
    const last = value?.rgba.subarray(-4).readUInt32LE();
    expect(last).toBe((0xff000000 | (1280 * 720 - 1)) >>> 0);
  });

  it.each<[string, Buffer, RegExp]>([
    ['an encoding', update(rectangle([0, 0, 1, 1], 7)), /encoding 7 was not asked for/],
    ['a size', update(rectangle([0, 0, 9, 9], -308)), /encoding -308 was not asked for/],
    ['a rectangle', update(rectangle([3, 0, 2, 1], 0)), /beyond the screen/],
    ['a message', u8(150), /type 150/],
    ['a clipboard', Buffer.concat([u8(3, 0, 0, 0), u32(-5)]), /clipboard of 4294967291/],
  ])('refuses %s that was not asked for', (_, bytes, message) => {
    expect(() => feed(capturePicture(init), bytes)).toThrow(message);
  });

  it('F41: takes nothing hostile for a picture, and never much of it at once', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 2000 }), (greeted, bytes) => {
        try {
          const stream = Buffer.concat([greeted ? greeting(64, 64) : u8(), bytes]);
          for (const dialogue of [capturePicture, (of: ServerInit) => countColours(of, 32)])
            expect(feed(joined<unknown>(dialogue), stream).longestRead).toBeLessThanOrEqual(64 * 1024);
        } catch (error) {
          expect(error).toBeInstanceOf(RfbError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('colours of the screen', () => {
  it('are counted in some lines only', () => {
    const stream = Buffer.concat([
      noise,
      // The byte that means nothing doesn't make colours.
      update(rawRectangle([0, 0, 100, 32], (pixel) => (pixel < 320 ? 7 : 0x09000009 + ((pixel % 2) << 24)))),
    ]);
    const { value, sent } = feed(countColours({ ...init, width: 100, height: 50 }, 32), stream);
    expect(value).toEqual({ pixels: 3200, commonest: 2880, colours: 2 });
    const requests = sent.subarray(20 + 8);
    expect(requests).toHaveLength(32 * 10);
    expect(requests.subarray(310)).toEqual(Buffer.concat([u8(3, 0), u16(0, 49, 100, 1)]));
  });
});

describe('size of the screen', () => {
  const layout = (reason: number, status: number, width: number, height: number): Buffer =>
    update(
      rectangle(
        [reason, status, width, height],
        -308,
        Buffer.concat([u8(1, 0, 0, 0), u32(7), u16(0, 0, width, height), u32(0)]),
      ),
    );
  const painted = update(rawRectangle([0, 0, 1, 1], () => 1));

  it('is asked for, and is what the server says then', () => {
    const stream = Buffer.concat([
      layout(0, 0, 4, 3),
      painted,
      layout(2, 0, 9, 9),
      noise,
      layout(1, 0, 800, 600),
    ]);
    const { value, sent, rest } = feed(resizeScreen(init, 800, 600), stream);
    expect(value).toEqual({ width: 800, height: 600 });
    expect(rest).toHaveLength(0);
    const wish = resizeMessage(800, 600);
    wish.fill(Buffer.concat([u32(7), u16(0, 0, 800, 600), u32(0)]), 8);
    expect(sent.includes(wish)).toBe(true);
  });

  it.each<[string, Buffer, RegExp]>([
    ['a server without resizing', painted, /can not resize/],
    [
      'a refusal',
      Buffer.concat([layout(0, 0, 4, 3), layout(1, 1, 4, 3)]),
      /refused 800x600: it is forbidden/,
    ],
    ['an impossible answer', Buffer.concat([layout(0, 0, 4, 3), layout(1, 0, 0, 3)]), /impossible geometry/],
    ['text', text('RFB'), /encoding|type|rectangle/],
  ])('names what is wrong: %s', (_, bytes, message) => {
    expect(() => feed(resizeScreen(init, 800, 600), Buffer.concat([bytes, Buffer.alloc(100)]))).toThrow(
      message,
    );
  });
});
