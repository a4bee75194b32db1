/** A step of the dialogue: bytes to send, or a number of bytes to read. */
export type RfbStep = { send: Uint8Array } | { read: number };

export interface Framebuffer {
  width: number;
  height: number;
  name: string;
}

export interface PixelCount {
  framebuffer: Framebuffer;
  pixels: number;
  /** Pixels of the most frequent colour. */
  commonest: number;
  colours: number;
}

export class RfbError extends Error {
  override readonly name = 'RfbError';
}

type RfbDialogue<T> = Generator<RfbStep, T, Buffer>;

/** Limits on what a server may claim; it is not trusted. */
const MAX_SIDE = 16_384;
const MAX_TEXT_BYTES = 64 * 1024;
const MAX_RECTANGLES = 4096;
const MAX_COLOURS = 4096;
const BYTES_PER_PIXEL = 4;
const SAMPLE_LINES = 32;

/** RFB 3.8 (RFC 6143) up to ServerInit: the display answers, without a password, and has this geometry. */
export function* shakeHands(): RfbDialogue<Framebuffer> {
  const banner = (yield { read: 12 }).toString('latin1');
  if (!/^RFB 003\.\d{3}\n$/.test(banner)) throw new RfbError(`no RFB server: ${JSON.stringify(banner)}`);
  if (banner < 'RFB 003.008') throw new RfbError(`RFB version ${banner.slice(4, 11)} is too old`);
  yield { send: Buffer.from('RFB 003.008\n') };
  const types = (yield { read: 1 })[0] ?? 0;
  if (types === 0) throw new RfbError(`refused: ${yield* text()}`);
  if (!(yield { read: types }).includes(1)) throw new RfbError('asks for a password');
  yield { send: Buffer.from([1]) };
  if ((yield { read: 4 }).readUInt32BE() !== 0) throw new RfbError(`refused: ${yield* text()}`);
  // Shared: the probe must not throw a viewer out.
  yield { send: Buffer.from([1]) };
  const init = yield { read: 20 };
  const width = init.readUInt16BE(0);
  const height = init.readUInt16BE(2);
  if (width === 0 || height === 0 || width > MAX_SIDE || height > MAX_SIDE)
    throw new RfbError(`impossible geometry ${width}x${height}`);
  return { width, height, name: yield* text() };
}

/** Looks at lines spread over the screen and counts their colours. */
export function* countPixels(): RfbDialogue<PixelCount> {
  const framebuffer = yield* shakeHands();
  const { width, height } = framebuffer;
  yield { send: pixelFormat() };
  yield { send: Buffer.from([2, 0, 0, 1, 0, 0, 0, 0]) };
  const lines = Math.min(SAMPLE_LINES, height);
  for (let line = 0; line < lines; line++) {
    const y = Math.floor(((line + 0.5) * height) / lines);
    yield { send: updateRequest(0, y, width, 1) };
  }
  const counts = new Map<number, number>();
  let pixels = 0;
  while (pixels < width * lines) {
    yield* serverMessage(framebuffer, (bytes) => {
      for (let at = 0; at < bytes.length; at += BYTES_PER_PIXEL) {
        const colour = bytes.readUInt32LE(at) & 0xffffff;
        if (counts.size < MAX_COLOURS || counts.has(colour))
          counts.set(colour, (counts.get(colour) ?? 0) + 1);
      }
      pixels += bytes.length / BYTES_PER_PIXEL;
    });
  }
  return { framebuffer, pixels, commonest: Math.max(...counts.values()), colours: counts.size };
}

function* serverMessage(
  { width, height }: Framebuffer,
  onPixels: (bytes: Buffer) => void,
): RfbDialogue<void> {
  const type = (yield { read: 1 })[0];
  switch (type) {
    case 0: {
      const rectangles = (yield { read: 3 }).readUInt16BE(1);
      if (rectangles > MAX_RECTANGLES) throw new RfbError(`${rectangles} rectangles in one update`);
      for (let index = 0; index < rectangles; index++) {
        const head = yield { read: 12 };
        const [x, y, w, h] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at)) as [
          number,
          number,
          number,
          number,
        ];
        const encoding = head.readInt32BE(8);
        if (encoding !== 0) throw new RfbError(`encoding ${encoding} was not asked for`);
        if (x + w > width || y + h > height) throw new RfbError('a rectangle reaches beyond the screen');
        // Line by line, so that a large rectangle needs no large buffer.
        if (w > 0) for (let line = 0; line < h; line++) onPixels(yield { read: w * BYTES_PER_PIXEL });
      }
      return;
    }
    case 2: // Bell
      return;
    case 3: // ServerCutText
      yield { read: 3 };
      yield* text();
      return;
    default:
      throw new RfbError(`message of type ${type ?? 'none'} is not expected`);
  }
}

function* text(): RfbDialogue<string> {
  const bytes = (yield { read: 4 }).readUInt32BE();
  if (bytes > MAX_TEXT_BYTES) throw new RfbError(`a text of ${bytes} bytes`);
  return bytes === 0 ? '' : (yield { read: bytes }).toString('latin1');
}

/** SetPixelFormat: 32 bits, depth 24, little-endian, true colour, 8 bits each at 16, 8 and 0. */
function pixelFormat(): Buffer {
  return Buffer.from([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
}

function updateRequest(x: number, y: number, width: number, height: number): Buffer {
  const bytes = Buffer.alloc(10);
  bytes[0] = 3;
  [x, y, width, height].forEach((value, index) => bytes.writeUInt16BE(value, 2 + index * 2));
  return bytes;
}
