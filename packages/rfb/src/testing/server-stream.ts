import fc from 'fast-check';
import { deflateSync } from 'node:zlib';
import { RGBX, tightPixelBytes, type PixelFormat } from '../pixel-format.ts';
import { text, u16, u32, u8 } from './bytes.ts';

/** A screen that streams are made for; a rectangle is far from its edges. */
export const screen = { width: 640, height: 480 };

export const greeting = (width: number, height: number, security: Buffer = u8(1, 1)): Buffer =>
  Buffer.concat([
    Buffer.from('RFB 003.008\n'),
    security,
    u32(0),
    u16(width, height),
    Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]),
    text('desktop'),
  ]);

export const update = (...rectangles: Buffer[]): Buffer =>
  Buffer.concat([u8(0, 0), u16(rectangles.length), ...rectangles]);
export const rectangle = (
  [x, y, width, height]: [number, number, number, number],
  encoding: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer => Buffer.concat([u16(x, y, width, height), u32(encoding), payload]);
export const rawRectangle = (
  area: [number, number, number, number],
  colour: (pixel: number) => number,
): Buffer => {
  const pixels = Buffer.alloc(area[2] * area[3] * 4);
  for (let pixel = 0; pixel < pixels.length / 4; pixel++) pixels.writeUInt32LE(colour(pixel), pixel * 4);
  return rectangle(area, 0, pixels);
};

export const cutText = (payload: Buffer): Buffer =>
  Buffer.concat([u8(3, 0, 0, 0), u32(payload.length), payload]);
export const extendedCutText = (flags: number, payload: Buffer): Buffer =>
  Buffer.concat([u8(3, 0, 0, 0), u32(-(payload.length + 4)), u32(flags), payload]);
/** The compressed text of a `provide`, which claims to have `bytes`. */
export const provided = (content: Buffer, bytes = content.length): Buffer =>
  deflateSync(Buffer.concat([u32(bytes), content]));

export const CAPS = 1 << 24;
export const NOTIFY = 1 << 27;
export const PROVIDE = 1 << 28;

export function compactLength(length: number): Buffer {
  if (length < 0x80) return u8(length);
  if (length < 0x4000) return u8((length & 0x7f) | 0x80, length >> 7);
  return u8((length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14);
}

/** Formats that viewers ask for. */
export const formats: PixelFormat[] = [
  RGBX,
  {
    ...RGBX,
    bitsPerPixel: 16,
    depth: 16,
    redMax: 31,
    greenMax: 63,
    blueMax: 31,
    redShift: 11,
    greenShift: 5,
    blueShift: 0,
  },
  {
    ...RGBX,
    bitsPerPixel: 8,
    depth: 6,
    redMax: 3,
    greenMax: 3,
    blueMax: 3,
    redShift: 4,
    greenShift: 2,
    blueShift: 0,
  },
];

const filled = (length: number): fc.Arbitrary<Buffer> =>
  fc.integer({ min: 0, max: 255 }).map((byte) => Buffer.alloc(length, byte));
const areaArbitrary = fc.tuple(
  fc.integer({ min: 0, max: 500 }),
  fc.integer({ min: 0, max: 400 }),
  fc.integer({ min: 0, max: 60 }),
  fc.integer({ min: 0, max: 60 }),
);
type Area = [number, number, number, number];

/** Any rectangle that a server may send, in this format. */
function rectangleArbitrary(format: PixelFormat): fc.Arbitrary<Buffer> {
  const pixelBytes = format.bitsPerPixel / 8;
  const of = (encoding: number, payload: (area: Area) => fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> =>
    areaArbitrary.chain((area) => payload(area).map((bytes) => rectangle(area, encoding, bytes)));
  const compressed = (area: Area): fc.Arbitrary<Buffer> =>
    fc.integer({ min: 0, max: area[2] * area[3] * 3 + 700 }).chain(filled);
  const withLength = (area: Area): fc.Arbitrary<Buffer> =>
    compressed(area).map((bytes) => Buffer.concat([u32(bytes.length), bytes]));
  const mask = ([, , width, height]: Area): number => Math.ceil(width / 8) * height;
  const nothing = (): fc.Arbitrary<Buffer> => fc.constant(Buffer.alloc(0));
  return fc.oneof(
    of(0, ([, , width, height]) => filled(width * height * pixelBytes)),
    of(1, () => fc.constant(u16(3, 4))),
    of(6, withLength),
    of(16, withLength),
    of(7, (area) => tightArbitrary(area, tightPixelBytes(format))),
    of(-239, (area) => filled(area[2] * area[3] * pixelBytes + mask(area))),
    of(-240, (area) => filled(area[2] * area[3] === 0 ? 0 : 6 + 2 * mask(area))),
    of(0x574d5664, ([, , width, height]) =>
      fc
        .boolean()
        .map((alpha) =>
          Buffer.concat([
            u8(Number(alpha), 0),
            Buffer.alloc(width * height * (alpha ? 4 : 2 * pixelBytes), 9),
          ]),
        ),
    ),
    of(0x574d5666, nothing),
    of(0x574d5668, () => filled(4)),
    of(-258, nothing),
    of(-261, () => filled(1)),
    of(-307, () => fc.string({ maxLength: 30 }).map(text)),
    // Sizes in which every area still fits.
    fc.constant(rectangle([0, 0, 800, 600], -223)),
    fc
      .integer({ min: 0, max: 5 })
      .map((screens) =>
        rectangle(
          [2, 0, 1024, 768],
          -308,
          Buffer.concat([u8(screens, 0, 0, 0), Buffer.alloc(16 * screens, 1)]),
        ),
      ),
    fc.constant(rectangle([1, 3, 20, 10], -308, u8(0, 0, 0, 0))),
  );
}

function tightArbitrary([, , width, height]: Area, tightPixel: number): fc.Arbitrary<Buffer> {
  const data = (bytes: number): fc.Arbitrary<Buffer> =>
    bytes < 12
      ? filled(bytes)
      : fc
          .integer({ min: 0, max: bytes + 600 })
          .chain(filled)
          .map((zipped) => Buffer.concat([compactLength(zipped.length), zipped]));
  const basic = fc.integer({ min: 0, max: 0x3f });
  const withFilter = (filter: number): fc.Arbitrary<Buffer> =>
    fc
      .tuple(basic, data(width * height * tightPixel))
      .map(([control, bytes]) => Buffer.concat([u8(control | 0x40, filter), bytes]));
  return fc.oneof(
    filled(tightPixel).map((pixel) => Buffer.concat([u8(0x80), pixel])),
    fc
      .integer({ min: 0, max: 40_000 })
      .map((length) => Math.min(length, width * height * 4))
      .map((length) => Buffer.concat([u8(0x9f), compactLength(length), Buffer.alloc(length, 0xff)])),
    fc
      .tuple(basic, data(width * height * tightPixel))
      .map(([control, bytes]) => Buffer.concat([u8(control), bytes])),
    withFilter(0),
    withFilter(2),
    fc
      .integer({ min: 1, max: 256 })
      .chain((colours) =>
        data((colours <= 2 ? Math.ceil(width / 8) : width) * height).map((bytes) =>
          Buffer.concat([u8(0x50, 1, colours - 1), Buffer.alloc(colours * tightPixel, 3), bytes]),
        ),
      ),
  );
}

/** Any message that a server may send, in this format. */
export function serverMessageArbitrary(format: PixelFormat): fc.Arbitrary<Buffer> {
  const rectangles = fc.array(rectangleArbitrary(format), { maxLength: 5 });
  return fc.oneof(
    { weight: 4, arbitrary: rectangles.map((list) => update(...list)) },
    {
      weight: 2,
      arbitrary: rectangles.map((list) =>
        Buffer.concat([u8(0, 0, 0xff, 0xff), ...list, rectangle([0, 0, 0, 0], -224)]),
      ),
    },
    fc.constant(u8(2)),
    fc.constant(u8(150)),
    fc
      .uint8Array({ maxLength: 64 })
      .map((payload) => Buffer.concat([u8(248, 0, 0, 0), u32(0x80000001), u8(payload.length), payload])),
    fc.integer({ min: 0, max: 3000 }).map((length) => cutText(Buffer.alloc(length, 65))),
    fc.constantFrom(extendedCutText(CAPS | 1, u32(1024)), extendedCutText(NOTIFY | 1, Buffer.alloc(0))),
    fc
      .uint8Array({ maxLength: 3000 })
      .map((content) => extendedCutText(PROVIDE | 1, provided(Buffer.from(content)))),
  );
}
