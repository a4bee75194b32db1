import fc from 'fast-check';
import { pixelFormatBytes, type PixelFormat } from '../pixel-format.ts';
import { u16, u32, u8 } from './bytes.ts';
import { CAPS, NOTIFY, PROVIDE, provided } from './server-stream.ts';

export const pixelFormatMessage = (format: PixelFormat): Buffer =>
  Buffer.concat([u8(0, 0, 0, 0), pixelFormatBytes(format)]);
export const encodingsMessage = (...named: number[]): Buffer =>
  Buffer.concat([u8(2, 0), u16(named.length), u32(...named)]);
export const requestMessage = (incremental = 1): Buffer =>
  Buffer.concat([u8(3, incremental), u16(0, 0, 640, 480)]);
export const keyMessage = (keysym: number, down: boolean): Buffer =>
  Buffer.concat([u8(4, Number(down), 0, 0), u32(keysym)]);
export const qemuKeyMessage = (keysym: number, keycode: number, down: boolean): Buffer =>
  Buffer.concat([u8(255, 0), u16(Number(down)), u32(keysym, keycode)]);
export const pointerMessage = (buttons: number, x: number, y: number): Buffer =>
  Buffer.concat([u8(5, buttons), u16(x, y)]);
export const cutTextMessage = (payload: Buffer): Buffer =>
  Buffer.concat([u8(6, 0, 0, 0), u32(payload.length), payload]);
export const extendedCutTextMessage = (flags: number, payload: Buffer): Buffer =>
  Buffer.concat([u8(6, 0, 0, 0), u32(-(payload.length + 4)), u32(flags), payload]);
export const continuousMessage = (on: boolean): Buffer =>
  Buffer.concat([u8(150, Number(on)), u16(0, 0, 640, 480)]);
export const fenceMessage = (payload: Buffer): Buffer =>
  Buffer.concat([u8(248, 0, 0, 0), u32(3), u8(payload.length), payload]);
export const resizeMessage = (width: number, height: number, screens = 1): Buffer =>
  Buffer.concat([u8(251, 0), u16(width, height), u8(screens, 0), Buffer.alloc(16 * screens, 1)]);

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const u32Arbitrary = fc.integer({ min: 0, max: 0xffffffff });
const side = fc.integer({ min: 1, max: 4096 });

/** Messages that change nothing on the desktop. */
export const watchingArbitrary = fc.oneof(
  fc.array(u32Arbitrary, { maxLength: 20 }).map((named) => encodingsMessage(...named)),
  fc.constantFrom(0, 1).map(requestMessage),
  fc.boolean().map(continuousMessage),
  bytes(64).map(fenceMessage),
  fc.constant(extendedCutTextMessage(CAPS | 1, u32(0))),
);
/** A few keys, so that ups meet downs. */
const keysym = fc.integer({ min: 97, max: 102 });
/** Keys and pointer. */
export const handsArbitrary = fc.oneof(
  fc.tuple(keysym, fc.boolean()).map(([symbol, down]) => keyMessage(symbol, down)),
  fc.tuple(keysym, fc.boolean()).map(([symbol, down]) => qemuKeyMessage(symbol, symbol - 60, down)),
  fc
    .tuple(fc.integer({ min: 0, max: 255 }), side, side)
    .map(([buttons, x, y]) => pointerMessage(buttons, x, y)),
);
/** Messages that change the desktop. */
export const drivingArbitrary = fc.oneof(
  handsArbitrary,
  bytes(2000).map(cutTextMessage),
  fc.constant(extendedCutTextMessage(NOTIFY | 1, Buffer.alloc(0))),
  bytes(2000).map((content) => extendedCutTextMessage(PROVIDE | 1, provided(content))),
  fc
    .tuple(side, side, fc.integer({ min: 0, max: 20 }))
    .map(([width, height, screens]) => resizeMessage(width, height, screens)),
);
