import { PNG } from 'pngjs';

/** 4 bytes a pixel: red, green, blue, alpha; rows from the top. */
export interface Picture {
  width: number;
  height: number;
  rgba: Buffer;
}

/** Largest difference of a colour that an encoder may make without anybody seeing it. */
const TOLERANCE = 48;

/** Share of pixels, from 0 to 1, that differ visibly; 1 where the sizes differ. */
export function difference(one: Picture, other: Picture): number {
  if (one.width !== other.width || one.height !== other.height) return 1;
  let different = 0;
  for (let at = 0; at < one.rgba.length; at += 4) {
    const far = [0, 1, 2].some(
      (offset) => Math.abs((one.rgba[at + offset] ?? 0) - (other.rgba[at + offset] ?? 0)) > TOLERANCE,
    );
    if (far) different += 1;
  }
  return different / (one.width * one.height);
}

/** What guest-screen.mjs printed. */
export function readScreen(bytes: Buffer): Picture {
  const head = bytes.indexOf(10);
  const [width = 0, height = 0] = bytes.subarray(0, head).toString().split(' ').map(Number);
  const bgrx = bytes.subarray(head + 1);
  if (bgrx.length !== width * height * 4)
    throw new Error(`the picture of the screen has ${bgrx.length} bytes`);
  const rgba = Buffer.alloc(bgrx.length);
  for (let at = 0; at < bgrx.length; at += 4) {
    rgba[at] = bgrx[at + 2] ?? 0;
    rgba[at + 1] = bgrx[at + 1] ?? 0;
    rgba[at + 2] = bgrx[at] ?? 0;
    rgba[at + 3] = 255;
  }
  return { width, height, rgba };
}

export function readPng(bytes: Buffer): Picture {
  const { width, height, data } = PNG.sync.read(bytes);
  return { width, height, rgba: data };
}
