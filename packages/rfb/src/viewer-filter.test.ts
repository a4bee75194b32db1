import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RfbError } from './dialogue.ts';
import type { EncodingPolicy } from './encodings.ts';
import { RGBX } from './pixel-format.ts';
import { crumbs, cutAt, cutsArbitrary, u16, u32, u8 } from './testing/bytes.ts';
import { CAPS, formats, PROVIDE, provided } from './testing/server-stream.ts';
import {
  continuousMessage,
  cutTextMessage,
  drivingArbitrary,
  encodingsMessage,
  extendedCutTextMessage,
  fenceMessage,
  handsArbitrary,
  keyMessage,
  pixelFormatMessage,
  pointerMessage,
  qemuKeyMessage,
  requestMessage,
  resizeMessage,
  watchingArbitrary,
} from './testing/viewer-stream.ts';
import { createViewerFilter } from './viewer-filter.ts';

const CLIPBOARD_BYTES = 10_000;

function start({ control = true, policy = 'viewer' }: { control?: boolean; policy?: EncodingPolicy } = {}) {
  const state = { control, dropped: 0 };
  const filter = createViewerFilter({
    pixelFormat: RGBX,
    mayControl: () => state.control,
    policy,
    clipboardLimitBytes: CLIPBOARD_BYTES,
    onDropped: () => state.dropped++,
  });
  return {
    state,
    filter,
    push: (...parts: Buffer[]): Buffer => Buffer.concat(parts.flatMap((part) => filter.push(part))),
  };
}

/** Types of messages that nobody without control may get through; cut texts are looked at one by one. */
const DRIVING_TYPES = [4, 5, 251, 255];

/** Length of the message at the start of these bytes, by its type. */
const lengths: Record<number, (bytes: Buffer) => number> = {
  0: () => 20,
  2: (bytes) => 4 + 4 * bytes.readUInt16BE(2),
  3: () => 10,
  4: () => 8,
  5: () => 6,
  6: (bytes) => 8 + Math.abs(bytes.readInt32BE(4)),
  150: () => 10,
  248: (bytes) => 9 + bytes.readUInt8(8),
  251: (bytes) => 8 + 16 * bytes.readUInt8(6),
  255: () => 12,
};

/** Reads what a filter let pass the simple way: whole messages, all there. */
function messages(stream: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let rest = stream; rest.length > 0;) {
    const length = lengths[rest.readUInt8()]?.(rest);
    if (length === undefined || length > rest.length) throw new Error('no whole message');
    found.push(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
  return found;
}

describe('viewer filter', () => {
  it('lets whoever has the control do everything', () => {
    const stream = Buffer.concat([
      pixelFormatMessage(formats[1] ?? RGBX),
      encodingsMessage(7, 16, 0, -223),
      requestMessage(0),
      keyMessage(0xff0d, true),
      keyMessage(0xff0d, false),
      pointerMessage(1, 10, 20),
      qemuKeyMessage(97, 30, true),
      cutTextMessage(Buffer.from('hello')),
      extendedCutTextMessage(PROVIDE | 1, provided(Buffer.from('hello\0'))),
      continuousMessage(true),
      fenceMessage(Buffer.alloc(64)),
      resizeMessage(800, 600),
    ]);
    expect(start().push(stream)).toEqual(stream);
    expect(start().push(...crumbs(stream))).toEqual(stream);
  });

  it('passes untouched messages as one view of what came', () => {
    const chunk = Buffer.concat([requestMessage(), keyMessage(97, true), pointerMessage(0, 1, 1)]);
    const [passed, ...more] = start().filter.push(chunk);
    expect(more).toEqual([]);
    expect(passed?.buffer).toBe(chunk.buffer);
    expect(passed).toEqual(chunk);
  });

  it('F41: nothing that changes the desktop comes from a viewer without control', () => {
    const anything = fc.array(fc.oneof(watchingArbitrary, drivingArbitrary), { maxLength: 12 });
    fc.assert(
      fc.property(anything, cutsArbitrary, (list, cuts) => {
        const { push, filter } = start({ control: false });
        const passed = messages(push(...cutAt(Buffer.concat(list), cuts)));
        for (const message of passed) {
          expect(DRIVING_TYPES).not.toContain(message.readUInt8());
          // Of the clipboard, what a viewer can do with one may be told.
          if (message.readUInt8() === 6) expect(message.readUInt32BE(8) & CAPS).toBe(CAPS);
        }
        expect(filter.release()).toHaveLength(0);
      }),
      { numRuns: 500 },
    );
  });

  it('without control, what only watches passes whole', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(watchingArbitrary, drivingArbitrary), { maxLength: 6 }),
        cutsArbitrary,
        (list, cuts) => {
          const watching = Buffer.concat(list.map(([message]) => message));
          const both = Buffer.concat(list.flat());
          expect(start({ control: false }).push(...cutAt(both, cuts))).toEqual(start().push(watching));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives the same however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(watchingArbitrary, drivingArbitrary), { maxLength: 10 }),
        cutsArbitrary,
        (list, cuts) => {
          const stream = Buffer.concat(list);
          const whole = start().push(stream);
          expect(start().push(...cutAt(stream, cuts))).toEqual(whole);
          expect(start().push(...crumbs(stream))).toEqual(whole);
          expect(() => messages(whole)).not.toThrow();
        },
      ),
      { numRuns: 200 },
    );
  });

  it('F41: takes any bytes, and objects by an RfbError or not at all', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 300 }), cutsArbitrary, (control, bytes, cuts) => {
        const { push } = start({ control });
        try {
          messages(push(...cutAt(Buffer.from(bytes), cuts)));
        } catch (error) {
          expect(error).toBeInstanceOf(RfbError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('lets go of all that is held, and of nothing else', () => {
    fc.assert(
      fc.property(fc.array(handsArbitrary, { maxLength: 30 }), (list) => {
        const { push, filter } = start();
        push(...list);
        const symbols = new Set<number>();
        const codes = new Set<number>();
        let buttons = 0;
        for (const message of list) {
          const type = message.readUInt8();
          if (type === 5) buttons = message.readUInt8(1);
          else if (type === 4)
            symbols[message.readUInt8(1) === 1 ? 'add' : 'delete'](message.readUInt32BE(4));
          else codes[message.readUInt8(3) === 1 ? 'add' : 'delete'](message.readUInt32BE(8));
        }
        const ups = messages(filter.release());
        expect(
          ups.filter((up) => up.readUInt8() === 4).map((up) => [up.readUInt8(1), up.readUInt32BE(4)]),
        ).toEqual([...symbols].map((symbol) => [0, symbol]));
        expect(
          ups
            .filter((up) => up.readUInt8() === 255)
            .map((up) => up.readUInt32BE(8))
            .sort(),
        ).toEqual([...codes].sort());
        expect(ups.filter((up) => up.readUInt8() === 5).map((up) => up.readUInt8(1))).toEqual(
          buttons === 0 ? [] : [0],
        );
        expect(filter.release()).toHaveLength(0);
      }),
      { numRuns: 200 },
    );
  });

  it('lets the pointer go where it was', () => {
    const { push, filter } = start();
    push(pointerMessage(4, 123, 45));
    expect(filter.release()).toEqual(pointerMessage(0, 123, 45));
  });

  it('names to the server only encodings that the guard can follow', () => {
    const noVnc = [
      1, 50, 7, -260, 16, 21, 5, 2, 6, 0, -26, -254, -223, -224, -258, -261, -308, -309, -312, -313, -307,
      0xc0a1e5ce, -316, 0x574d5664, -239,
    ];
    const passed = start().push(encodingsMessage(...noVnc));
    expect(passed).toEqual(
      encodingsMessage(
        1,
        7,
        16,
        6,
        0,
        -26,
        -254,
        -223,
        -224,
        -258,
        -261,
        -308,
        -312,
        -313,
        -307,
        0xc0a1e5ce,
        0x574d5664,
        -239,
      ),
    );
  });

  it('raw-first: nothing else that the server could take instead of Raw', () => {
    expect(start({ policy: 'raw-first' }).push(encodingsMessage(7, 1, 16, -223, -26))).toEqual(
      encodingsMessage(1, 0, -223, -26),
    );
  });

  it('knows the pixel format in force, which may change before the first update only', () => {
    const [, sixteen = RGBX] = formats;
    for (const request of [requestMessage(), continuousMessage(true)]) {
      const { push, filter } = start();
      push(continuousMessage(false), pixelFormatMessage(sixteen));
      expect(filter.pixelFormat()).toEqual(sixteen);
      push(request, pixelFormatMessage(sixteen));
      expect(() => push(pixelFormatMessage(RGBX))).toThrow('only before the first update');
      expect(filter.pixelFormat()).toEqual(sixteen);
    }
  });

  it.each<[string, (bytes: number) => Buffer]>([
    ['a text', (bytes) => cutTextMessage(Buffer.alloc(bytes, 65))],
    [
      'an extended text',
      (bytes) => extendedCutTextMessage(PROVIDE | 1, provided(Buffer.alloc(2 * bytes + 1, 65))),
    ],
    [
      'an extended text that can not be compressed',
      (bytes) => {
        // xorshift: nothing to compress.
        let state = 1;
        const noise = Buffer.from(
          Array.from({ length: 4 * bytes }, () => {
            state ^= state << 13;
            state ^= state >>> 17;
            state ^= state << 5;
            return state & 0xff;
          }),
        );
        return extendedCutTextMessage(
          PROVIDE | 1,
          provided(noise.subarray(0, bytes > CLIPBOARD_BYTES ? 4 * bytes : bytes)),
        );
      },
    ],
  ])('drops %s beyond the limit, says so, and goes on', (_, message) => {
    const fits = message(CLIPBOARD_BYTES);
    const tooLong = message(CLIPBOARD_BYTES + 1);
    const stream = Buffer.concat([keyMessage(97, true), fits, tooLong, keyMessage(97, false), tooLong]);
    const expected = Buffer.concat([keyMessage(97, true), fits, keyMessage(97, false)]);
    const whole = start();
    expect(whole.push(stream)).toEqual(expected);
    const cut = start();
    expect(cut.push(...crumbs(stream))).toEqual(expected);
    expect([whole.state.dropped, cut.state.dropped]).toEqual([2, 2]);
    const watching = start({ control: false });
    expect(watching.push(stream)).toHaveLength(0);
    expect(watching.state.dropped).toBe(0);
  });

  it('keeps nothing of a clipboard that is too long', () => {
    const { push, state } = start();
    expect(push(Buffer.concat([u8(6, 0, 0, 0), u32(0x7fffffff)]))).toHaveLength(0);
    expect(state.dropped).toBe(1);
    const part = Buffer.alloc(1024 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    for (let index = 0; index < 100; index++) push(part);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(part.length * 50);
  });

  it('a clipboard is not passed where the control was lost before it was complete', () => {
    const { push, state } = start();
    const message = cutTextMessage(Buffer.from('hello'));
    expect(push(message.subarray(0, 10))).toHaveLength(0);
    state.control = false;
    expect(push(message.subarray(10))).toHaveLength(0);
    expect(push(requestMessage())).toEqual(requestMessage());
  });

  it.each<[string, Buffer, RegExp]>([
    ['an unknown message', u8(77), /message of type 77/],
    ["QEMU's audio", u8(255, 1), /QEMU message of type 1/],
    ['pixels of 24 bits', pixelFormatMessage({ ...RGBX, bitsPerPixel: 24 as 32 }), /24 bits/],
    ['a colour map', pixelFormatMessage({ ...RGBX, trueColour: false }), /colour map/],
    ['a shift out of the pixel', pixelFormatMessage({ ...RGBX, redShift: 40 }), /impossible pixel format/],
    ['thousands of encodings', Buffer.concat([u8(2, 0), u16(2000)]), /2000 encodings/],
    ['a long fence', fenceMessage(Buffer.alloc(65)), /fence of 65/],
    ['a screen of nothing', resizeMessage(0, 600), /impossible geometry 0x600/],
    ['an immense screen', resizeMessage(16_384, 16_384), /impossible geometry/],
    [
      'an extended clipboard without flags',
      Buffer.concat([u8(6, 0, 0, 0), u32(-3), u8(1, 2, 3)]),
      /without flags/,
    ],
    ['a clipboard of unknown length', extendedCutTextMessage(PROVIDE | 1, Buffer.alloc(9)), /unknown length/],
    [
      'too many keys',
      Buffer.concat(Array.from({ length: 257 }, (_, key) => keyMessage(key, true))),
      /too many keys/,
    ],
  ])('refuses %s, for good', (_, bytes, message) => {
    const whole = start();
    expect(() => whole.push(bytes)).toThrow(message);
    expect(() => whole.push(requestMessage())).toThrow(message);
    expect(() => start().push(...crumbs(bytes))).toThrow(message);
  });
});
