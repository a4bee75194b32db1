import { closeCodeOf, errorOfClose, HearthError } from '@hearth/contract';
import fc from 'fast-check';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  keyEvent,
  openTestDesktop,
  setEncodings,
  updateRequest,
  type TestDesktop,
  type TestViewer,
} from './test-desktop.ts';

let desktop: TestDesktop;
beforeEach(async () => {
  desktop = await openTestDesktop();
});
afterEach(async () => {
  // Whatever ended a bridge: nothing of it is left open.
  for (const { abort } of desktop.bridges) abort(new HearthError('shutting_down', 'the test ends'));
  await vi.waitFor(() => expect(desktop.fake.displays.open.size).toBe(0));
  await desktop[Symbol.asyncDispose]();
});

const screen = { width: 640, height: 480 };
/** A FramebufferUpdate with one rectangle of the whole screen in Raw. */
const UPDATE_BYTES = 4 + 12 + screen.width * screen.height * 4;
const bytesOf = (received: Buffer[]): number => received.reduce((sum, { length }) => sum + length, 0);

async function joined(): Promise<TestViewer> {
  const viewer = await desktop.view();
  expect(await viewer.join()).toMatchObject({ ...screen, name: 'fake' });
  return viewer;
}

/** What a viewer that is closed by an error sees, and what the bridge says of it. */
async function expectEnd(viewer: TestViewer, code: HearthError['code']): Promise<void> {
  const { code: closeCode, reason } = await viewer.closed;
  expect([closeCode, errorOfClose(closeCode, reason)]).toEqual([closeCodeOf(code), code]);
  expect((await viewer.bridge.ended)?.code).toBe(code);
  await vi.waitFor(() => expect(viewer.display.socket.destroyed).toBe(true));
}

test('the page gets the pixels of the display, byte for byte, and never its password', async () => {
  const viewer = await joined();
  viewer.socket.send(Buffer.concat([setEncodings, updateRequest(false, screen)]));
  await vi.waitFor(() => expect(bytesOf(viewer.received)).toBe(UPDATE_BYTES));
  const whole = Buffer.concat(viewer.received);
  // The pixel at 3,2 as fakePixel() has it: blue, green, red.
  expect(whole.subarray(16 + (2 * screen.width + 3) * 4).subarray(0, 3)).toEqual(Buffer.from([0, 2, 3]));
  expect(whole.includes('fakepass')).toBe(false);
  viewer.display.paint();
  viewer.socket.send(updateRequest(true, screen));
  await vi.waitFor(() => expect(bytesOf(viewer.received)).toBeGreaterThan(UPDATE_BYTES));
  expect(viewer.bridge.frames()).toBe(1);
  viewer.socket.close();
  expect(await viewer.bridge.ended).toBeNull();
});

test('messages arrive as they were sent, however they are cut', async () => {
  const viewer = await joined();
  const keys = Array.from({ length: 20 }, (_, index) => keyEvent(index % 2 === 0, 0x61 + (index >> 1)));
  const stream = Buffer.concat([setEncodings, ...keys]);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: stream.length - 1 }), { maxLength: 30 }),
      async (cuts) => {
        viewer.display.messages.length = 0;
        let from = 0;
        for (const to of [...cuts.sort((a, b) => a - b), stream.length]) {
          viewer.socket.send(stream.subarray(from, to));
          from = to;
        }
        await vi.waitFor(() => expect(viewer.display.messages).toHaveLength(1 + keys.length), {
          interval: 1,
        });
        expect(viewer.display.messages.slice(1)).toEqual(keys);
      },
    ),
    { numRuns: 30 },
  );
});

test('a viewer without the control changes nothing, and still asks for pictures', async () => {
  desktop.settings.mayControl = false;
  const viewer = await joined();
  viewer.socket.send(Buffer.concat([setEncodings, keyEvent(true, 0x61), updateRequest(false, screen)]));
  await vi.waitFor(() => expect(bytesOf(viewer.received)).toBe(UPDATE_BYTES));
  expect(viewer.display.messages.map((message) => message[0])).toEqual([2, 3]);
});

test('losing the control lets go of the keys that are held down', async () => {
  const viewer = await joined();
  viewer.socket.send(keyEvent(true, 0x61));
  await vi.waitFor(() => expect(viewer.display.messages).toHaveLength(1));
  viewer.bridge.releaseInput();
  await vi.waitFor(() => expect(viewer.display.messages).toHaveLength(2));
  expect(viewer.display.messages[1]).toEqual(keyEvent(false, 0x61));
});

test('a new size of the screen is told', async () => {
  const viewer = await joined();
  viewer.socket.send(Buffer.concat([setEncodings, updateRequest(false, screen)]));
  await vi.waitFor(() => expect(bytesOf(viewer.received)).toBe(UPDATE_BYTES));
  viewer.display.resize({ width: 800, height: 600 });
  viewer.socket.send(updateRequest(true, screen));
  await vi.waitFor(() => expect(viewer.bridge.geometries).toEqual([{ width: 800, height: 600 }]));
});

test('what came while a frame was under way is one frame: few frames, each of at most 256 KiB', async () => {
  const viewer = await joined();
  viewer.socket.send(setEncodings);
  const stop = viewer.display.flood();
  await vi.waitFor(() => expect(bytesOf(viewer.received)).toBeGreaterThan(64 * 1024 * 1024), {
    timeout: 20_000,
  });
  stop();
  const sizes = viewer.received.map(({ length }) => length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(256 * 1024);
  expect(bytesOf(viewer.received) / sizes.length, 'mean size of a frame').toBeGreaterThan(32 * 1024);
});

test(
  'a viewer that reads nothing costs one buffer, holds the guest back, and is dropped with the reason',
  { timeout: 20_000 },
  async () => {
    desktop.settings.limits = { clipboardBytes: 1024, slowViewerMs: 2000 };
    const slow = await joined();
    desktop.settings.limits = { clipboardBytes: 1024, slowViewerMs: 60_000 };
    const brisk = await joined();
    slow.socket.send(setEncodings);
    brisk.socket.send(Buffer.concat([setEncodings, updateRequest(false, screen)]));
    slow.socket.pause();
    const server = slow.display.socket;
    const stop = slow.display.flood();
    // Full once nothing moves any more: the kernel's buffers, and one frame of the bridge's.
    const given = (): number => server.bytesWritten - server.writableLength;
    let before = -1;
    while (given() !== before) {
      before = given();
      await pause(150);
    }
    const held = process.memoryUsage().arrayBuffers;
    await pause(200);
    expect(given(), 'what the guest could send meanwhile').toBe(before);
    expect(process.memoryUsage().arrayBuffers - held).toBeLessThan(1024 * 1024);
    expect((await slow.bridge.ended)?.code).toBe('viewer_too_slow');
    stop();
    // The others go on.
    await vi.waitFor(() => expect(bytesOf(brisk.received)).toBe(UPDATE_BYTES));
    expect(brisk.socket.readyState).toBe(brisk.socket.OPEN);
    slow.socket.resume();
    await slow.closed;
  },
);

test('a guest that sends garbage is cut off; the garbage does not reach the page', async () => {
  const viewer = await joined();
  viewer.display.socket.write(Buffer.from('\u00ff\u00fenot RFB at all', 'latin1'));
  await expectEnd(viewer, 'desktop_garbled');
  expect(viewer.received).toEqual([]);
});

test('a guest that hangs up, in order or not, ends the view', async () => {
  const first = await joined();
  first.display.socket.end();
  await expectEnd(first, 'desktop_ended');
  const second = await joined();
  await desktop.fake.stop();
  expect(['desktop_ended', 'host_unreachable']).toContain((await second.bridge.ended)?.code);
});

test('an end from outside reaches the page with its reason', async () => {
  const viewer = await joined();
  viewer.bridge.abort(new HearthError('viewer_replaced', 'opened elsewhere'));
  await expectEnd(viewer, 'viewer_replaced');
});

test.each<[string, (viewer: TestViewer) => void]>([
  ['text', ({ socket }) => socket.send('hello')],
  ['a message of 2 MB', ({ socket }) => socket.send(Buffer.alloc(2_000_000))],
  ['no RFB', ({ socket }) => socket.send(Buffer.from([99, 1, 2, 3]))],
])('a viewer that sends %s is closed, and the display let go', async (_what, send) => {
  const viewer = await joined();
  send(viewer);
  await expectEnd(viewer, 'viewer_protocol');
  expect(viewer.display.messages).toEqual([]);
});

test('a viewer that goes away before, in or after the handshake leaves nothing open', async () => {
  const early = await desktop.view();
  early.socket.terminate();
  const late = await joined();
  late.socket.terminate();
  expect(await early.bridge.ended).toBeNull();
  expect(await late.bridge.ended).toBeNull();
  await vi.waitFor(() => expect(desktop.fake.displays.open.size).toBe(0));
});

test('a guest that reads nothing holds back its viewer, and nothing piles up', async () => {
  const viewer = await joined();
  viewer.display.stall();
  const burst = Buffer.concat(Array.from({ length: 8192 }, () => updateRequest(false, screen)));
  const before = process.memoryUsage().arrayBuffers;
  for (let count = 0; count < 200 && viewer.socket.bufferedAmount < 4 * burst.length; count += 1) {
    viewer.socket.send(burst);
    await pause(2);
  }
  expect(viewer.socket.bufferedAmount, 'what the viewer could not send').toBeGreaterThan(burst.length);
  expect(process.memoryUsage().arrayBuffers - before - viewer.socket.bufferedAmount).toBeLessThan(8e6);
  viewer.bridge.abort(new HearthError('vm_deleted', 'gone'));
  expect((await viewer.bridge.ended)?.code).toBe('vm_deleted');
  viewer.display.socket.destroy();
});

test('fifty viewers of one desktop all get their pictures', { timeout: 60_000 }, async () => {
  const viewers = await Promise.all(Array.from({ length: 5 }, joined));
  for (let more = viewers.length; more < 50; more += 1) viewers.push(await joined());
  for (const { socket } of viewers) socket.send(Buffer.concat([setEncodings, updateRequest(false, screen)]));
  await vi.waitFor(
    () => {
      for (const { received } of viewers) expect(bytesOf(received)).toBe(UPDATE_BYTES);
    },
    { timeout: 30_000 },
  );
  expect(viewers.every(({ socket }) => socket.readyState === socket.OPEN)).toBe(true);
});
