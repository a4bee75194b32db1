import type { RfbDialogue } from './dialogue.ts';
import { encodings } from './encodings.ts';
import type { ServerInit } from './handshake.ts';
import { RGBX } from './pixel-format.ts';
import { readServerMessage } from './server-messages.ts';
import { setEncodings, setPixelFormat, updateRequest } from './viewer-messages.ts';

/** A picture of the screen: 4 bytes a pixel (red, green, blue, 255), rows from the top. */
export interface Picture {
  width: number;
  height: number;
  rgba: Buffer;
}

export interface ColourCount {
  pixels: number;
  /** Pixels of the most frequent colour. */
  commonest: number;
  colours: number;
}

const BYTES_PER_PIXEL = 4;
const OPAQUE = 255;
/** More are counted as if they weren't there: what matters is the commonest. */
const MAX_COLOURS = 4096;

/** After joinServer: asks for the whole screen in Raw and gives it as a picture. Throws RfbError. */
export function* capturePicture({ width, height }: ServerInit): RfbDialogue<Picture> {
  yield { send: setPixelFormat(RGBX) };
  yield { send: setEncodings([encodings.raw]) };
  yield { send: updateRequest(false, 0, 0, width, height) };
  const rgba = Buffer.alloc(width * height * BYTES_PER_PIXEL);
  let missing = width * height;
  const onPixels = (x: number, y: number, rowPixels: number, bytes: Buffer): void => {
    const rowBytes = rowPixels * BYTES_PER_PIXEL;
    for (let from = 0, line = y; from < bytes.length; from += rowBytes, line++) {
      let to = (line * width + x) * BYTES_PER_PIXEL;
      // Alpha tells what was painted already: a server may paint a pixel twice before it painted all.
      for (let alpha = to + 3; alpha < to + rowBytes; alpha += BYTES_PER_PIXEL)
        if (rgba[alpha] !== OPAQUE) missing--;
      bytes.copy(rgba, to, from, from + rowBytes);
      for (const end = to + rowBytes; to < end; to += BYTES_PER_PIXEL) rgba[to + 3] = OPAQUE;
    }
  };
  while (missing > 0) yield* readServerMessage({ screen: { width, height }, onPixels });
  return { width, height, rgba };
}

/** After joinServer: looks at so many lines, spread over the screen, and counts their colours. Throws RfbError. */
export function* countColours({ width, height }: ServerInit, lines: number): RfbDialogue<ColourCount> {
  yield { send: setPixelFormat(RGBX) };
  yield { send: setEncodings([encodings.raw]) };
  const sampled = Math.min(lines, height);
  for (let line = 0; line < sampled; line++) {
    const y = Math.floor(((line + 0.5) * height) / sampled);
    yield { send: updateRequest(false, 0, y, width, 1) };
  }
  const counts = new Map<number, number>();
  let pixels = 0;
  const onPixels = (_x: number, _y: number, _width: number, bytes: Buffer): void => {
    for (let at = 0; at < bytes.length; at += BYTES_PER_PIXEL) {
      const colour = bytes.readUIntLE(at, 3);
      if (counts.size < MAX_COLOURS || counts.has(colour)) counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    pixels += bytes.length / BYTES_PER_PIXEL;
  };
  while (pixels < width * sampled) yield* readServerMessage({ screen: { width, height }, onPixels });
  return { pixels, commonest: Math.max(...counts.values()), colours: counts.size };
}
