import fc from 'fast-check';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { browserVmProbes } from './browser-vm.ts';
import { countPixels, RfbError, shakeHands, type RfbStep } from './rfb.ts';

/** Feeds a dialogue from bytes; undefined where they don't suffice. */
function feed<T>(dialogue: Generator<RfbStep, T, Buffer>, bytes: Buffer): T | undefined {
  let at = 0;
  let step = dialogue.next();
  while (step.done !== true) {
    if ('send' in step.value) {
      step = dialogue.next(Buffer.alloc(0));
      continue;
    }
    const { read } = step.value;
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThanOrEqual(64 * 1024);
    if (at + read > bytes.length) return undefined;
    step = dialogue.next(bytes.subarray(at, at + read));
    at += read;
  }
  return step.value;
}

const u16 = (...values: number[]) =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(2);
      bytes.writeUInt16BE(value);
      return bytes;
    }),
  );
const u32 = (value: number) => u16(value >>> 16, value & 0xffff);
const text = (value: string) => Buffer.concat([u32(value.length), Buffer.from(value)]);
const greeting = (width: number, height: number) =>
  Buffer.concat([
    Buffer.from('RFB 003.008\n'),
    Buffer.from([2, 2, 1]),
    u32(0),
    u16(width, height),
    Buffer.alloc(16),
    text('desktop'),
  ]);
const update = (width: number, lines: number, colour: (pixel: number) => number) => {
  const pixels = Buffer.alloc(width * lines * 4);
  for (let pixel = 0; pixel < width * lines; pixel++) pixels.writeUInt32LE(colour(pixel), pixel * 4);
  return Buffer.concat([Buffer.from([0, 0]), u16(1), u16(0, 0, width, lines), u32(0), pixels]);
};

describe('RFB', () => {
  it('reads the geometry', () => {
    expect(feed(shakeHands(), greeting(1280, 800))).toEqual({ width: 1280, height: 800, name: 'desktop' });
  });

  it('counts colours, past bells and clipboards', () => {
    const noise = Buffer.concat([Buffer.from([2, 3, 0, 0, 0]), text('clip')]);
    const bytes = Buffer.concat([
      greeting(100, 50),
      noise,
      update(100, 32, (pixel) => (pixel < 320 ? 7 : 9)),
    ]);
    expect(feed(countPixels(), bytes)).toMatchObject({ pixels: 3200, commonest: 2880, colours: 2 });
  });

  it.each([
    ['HTTP/1.1 400\n', /no RFB/],
    ['RFB 003.003\n', /too old/],
    ['RFB 003.008\n\x01\x02', /password/],
    ['RFB 003.008\n\x00\x00\x00\x00\x04busy', /busy/],
    ['RFB 003.008\n\x00\xff\xff\xff\xff', /bytes/],
    ['RFB 003.008\n\x01\x01\x00\x00\x00\x01\x00\x00\x00\x02no', /refused: no/],
  ])('names what is wrong: %#', (bytes, message) => {
    expect(() => feed(shakeHands(), Buffer.from(bytes, 'latin1'))).toThrow(message);
  });

  it('F7: takes nothing hostile for a desktop, and never more memory than its limits', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 2000 }), (greeted, bytes) => {
        try {
          feed(countPixels(), Buffer.concat([greeted ? greeting(64, 64) : Buffer.alloc(0), bytes]));
        } catch (error) {
          expect(error).toBeInstanceOf(RfbError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('F33: a screen of one colour is not painted, one with a window is', async () => {
    let painted = false;
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(greeting(64, 64));
      socket.write(update(64, 32, (pixel) => (painted && pixel % 4 === 0 ? 0xffffff : 0)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const [display, desktop, browser] = browserVmProbes({ vnc: port, devtools: 9 });
      const signal = AbortSignal.timeout(4000);
      expect(await display?.check(signal)).toBe('64x64');
      await expect(desktop?.check(signal)).rejects.toThrow('one colour');
      painted = true;
      expect(await desktop?.check(signal)).toBe('painted');
      await expect(browser?.check(signal)).rejects.toThrow('ECONNREFUSED');
    } finally {
      server.close();
    }
  });
});
