import fc from 'fast-check';

export const u8 = (...values: number[]): Buffer => Buffer.from(values);
export const u16 = (...values: number[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.from([value >>> 8, value & 0xff])));
export const u32 = (...values: number[]): Buffer =>
  Buffer.concat(values.map((value) => u16((value >>> 16) & 0xffff, value & 0xffff)));
export const text = (value: string): Buffer =>
  Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)]);

/** Where a stream is cut: shares of its length. */
export const cutsArbitrary = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });

export function cutAt(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...cuts.map((share) => Math.floor(share * stream.length)), 0, stream.length];
  places.sort((one, other) => one - other);
  return places.slice(1).map((place, index) => Buffer.from(stream.subarray(places[index], place)));
}

/** One byte at a time. */
export const crumbs = (stream: Buffer): Buffer[] => Array.from(stream, (byte) => Buffer.from([byte]));
