import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RfbError } from './dialogue.ts';
import { joinServer, welcomeViewer, type ServerInit } from './handshake.ts';
import { RGBX } from './pixel-format.ts';
import { u16, u32, u8 } from './testing/bytes.ts';
import { feed } from './testing/feed.ts';
import { greeting } from './testing/server-stream.ts';
import { answerChallenge } from './vnc-auth.ts';

const VERSION = Buffer.from('RFB 003.008\n');
const challenge = Buffer.from('0123456789abcdef');
const init: ServerInit = { width: 1280, height: 800, pixelFormat: RGBX, name: 'Ada’s desktop' };

describe('handshake with a server', () => {
  it('reads what the server says of itself', () => {
    const { value, sent } = feed(joinServer(null), greeting(1280, 800));
    expect(value).toEqual({
      width: 1280,
      height: 800,
      name: 'desktop',
      pixelFormat: { ...RGBX, redShift: 16, blueShift: 0 },
    });
    expect(sent).toEqual(Buffer.concat([VERSION, u8(1, 1)]));
  });

  it('answers the challenge where it has a password, and joins whoever watches already', () => {
    const bytes = greeting(640, 480, Buffer.concat([u8(2, 1, 2), challenge]));
    const { value, sent } = feed(joinServer('hearth12'), bytes);
    expect(value).toMatchObject({ width: 640, height: 480 });
    expect(sent).toEqual(Buffer.concat([VERSION, u8(2), answerChallenge('hearth12', challenge), u8(1)]));
  });

  it.each<[string, string | null, RegExp]>([
    ['HTTP/1.1 400\n', null, /no RFB server: "HTTP/],
    ['RFB 003.003\n\x00\x00\x00\x02', null, /003\.003 is too old/],
    // What TigerVNC says to an address from which too many wrong passwords came.
    ['RFB 003.003\n\x00\x00\x00\x00\x00\x00\x00\x08too many', 'hearth12', /refused: too many/],
    ['RFB 003.007\n', null, /003\.007 is too old/],
    ['RFB 003.008\n\x01\x02', null, /asks for a password/],
    ['RFB 003.008\n\x01\x01', 'hearth12', /VncAuth is not offered/],
    ['RFB 003.008\n\x00\x00\x00\x00\x04busy', null, /refused: busy/],
    ['RFB 003.008\n\x00\x00\x00\x00\x07bu\r\n\x1bsy', null, /refused: bu sy$/],
    ['RFB 003.008\n\x00\xff\xff\xff\xff', null, /reason of 4294967295 bytes/],
    ['RFB 003.008\n\x01\x01\x00\x00\x00\x01\x00\x00\x00\x02no', null, /refused: no/],
    [
      'RFB 003.008\n\x01\x020123456789abcdef\x00\x00\x00\x01\x00\x00\x00\x02no',
      'hearth12',
      /wrong password: no/,
    ],
  ])('names what is wrong: %j', (bytes, password, message) => {
    expect(() => feed(joinServer(password), Buffer.from(bytes, 'latin1'))).toThrow(message);
  });

  it.each<[number, number]>([
    [0, 600],
    [800, 0],
    [16_385, 10],
    [16_384, 16_384],
  ])('takes no screen of %dx%d', (width, height) => {
    expect(() => feed(joinServer(null), greeting(width, height))).toThrow(
      `impossible geometry ${width}x${height}`,
    );
  });

  it('takes no endless name', () => {
    const bytes = greeting(640, 480);
    u32(5000).copy(bytes, bytes.length - 'desktop'.length - 4);
    expect(() => feed(joinServer(null), bytes)).toThrow('a name of 5000 bytes');
  });

  it('F41: takes nothing hostile, and never much of it at once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), fc.uint8Array({ maxLength: 200 }), (kept, bytes) => {
        try {
          const stream = Buffer.concat([greeting(64, 64).subarray(0, kept), bytes]);
          expect(feed(joinServer(null), stream).longestRead).toBeLessThanOrEqual(4096);
        } catch (error) {
          expect(error).toBeInstanceOf(RfbError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('handshake with a viewer', () => {
  it('both sides understand each other', () => {
    const viewer = feed(welcomeViewer(init), Buffer.concat([VERSION, u8(1, 0)]));
    expect(viewer.rest).toHaveLength(0);
    expect(feed(joinServer(null), viewer.sent).value).toEqual(init);
  });

  it('leaves what the viewer sends after the handshake', () => {
    const { rest } = feed(welcomeViewer(init), Buffer.concat([VERSION, u8(1, 1), u16(1, 2)]));
    expect(rest).toEqual(u16(1, 2));
  });

  it.each([
    ['GET / HTTP/1', /no RFB viewer/],
    ['RFB 003.003\n', /speaks RFB 003\.003/],
    ['RFB 003.008\n\x02', /security type 2/],
  ])('names what is wrong: %j', (bytes, message) => {
    expect(() => feed(welcomeViewer(init), Buffer.from(bytes, 'latin1'))).toThrow(message);
  });

  it('F41: takes any bytes, and objects by an RfbError or not at all', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 30 }), (spoken, bytes) => {
        try {
          feed(welcomeViewer(init), Buffer.concat([spoken ? VERSION : u8(), bytes]));
        } catch (error) {
          expect(error).toBeInstanceOf(RfbError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
