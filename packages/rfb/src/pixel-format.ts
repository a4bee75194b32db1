import { RfbError } from './dialogue.ts';

/** How a pixel is laid out in updates (RFC 6143, 7.4). */
export interface PixelFormat {
  bitsPerPixel: 8 | 16 | 32;
  depth: number;
  bigEndian: boolean;
  trueColour: boolean;
  redMax: number;
  greenMax: number;
  blueMax: number;
  redShift: number;
  greenShift: number;
  blueShift: number;
}

export const PIXEL_FORMAT_BYTES = 16;

/** 32 bits, of which the bytes are red, green, blue and one without meaning. */
export const RGBX: PixelFormat = {
  bitsPerPixel: 32,
  depth: 24,
  bigEndian: false,
  trueColour: true,
  redMax: 255,
  greenMax: 255,
  blueMax: 255,
  redShift: 0,
  greenShift: 8,
  blueShift: 16,
};

/** Reads the 16 bytes of a pixel format. Throws RfbError where there can be none such. */
export function readPixelFormat(bytes: Buffer): PixelFormat {
  const bitsPerPixel = bytes.readUInt8(0);
  if (bitsPerPixel !== 8 && bitsPerPixel !== 16 && bitsPerPixel !== 32)
    throw new RfbError(`pixels of ${bitsPerPixel} bits`);
  const format: PixelFormat = {
    bitsPerPixel,
    depth: bytes.readUInt8(1),
    bigEndian: bytes.readUInt8(2) !== 0,
    trueColour: bytes.readUInt8(3) !== 0,
    redMax: bytes.readUInt16BE(4),
    greenMax: bytes.readUInt16BE(6),
    blueMax: bytes.readUInt16BE(8),
    redShift: bytes.readUInt8(10),
    greenShift: bytes.readUInt8(11),
    blueShift: bytes.readUInt8(12),
  };
  const { depth, redShift, greenShift, blueShift } = format;
  if (depth === 0 || depth > bitsPerPixel || Math.max(redShift, greenShift, blueShift) >= bitsPerPixel)
    throw new RfbError('an impossible pixel format');
  return format;
}

/** The 16 bytes of a pixel format. */
export function pixelFormatBytes(format: PixelFormat): Buffer {
  const bytes = Buffer.alloc(PIXEL_FORMAT_BYTES);
  bytes.writeUInt8(format.bitsPerPixel, 0);
  bytes.writeUInt8(format.depth, 1);
  bytes.writeUInt8(Number(format.bigEndian), 2);
  bytes.writeUInt8(Number(format.trueColour), 3);
  bytes.writeUInt16BE(format.redMax, 4);
  bytes.writeUInt16BE(format.greenMax, 6);
  bytes.writeUInt16BE(format.blueMax, 8);
  bytes.writeUInt8(format.redShift, 10);
  bytes.writeUInt8(format.greenShift, 11);
  bytes.writeUInt8(format.blueShift, 12);
  return bytes;
}

export function samePixelFormat(one: PixelFormat, other: PixelFormat): boolean {
  return pixelFormatBytes(one).equals(pixelFormatBytes(other));
}

/** Bytes of a pixel in Tight (TPIXEL): the byte without meaning is left out. */
export function tightPixelBytes(format: PixelFormat): number {
  const { bitsPerPixel, depth, redMax, greenMax, blueMax } = format;
  const is888 = bitsPerPixel === 32 && depth === 24 && redMax === 255 && greenMax === 255 && blueMax === 255;
  return is888 ? 3 : bitsPerPixel / 8;
}
