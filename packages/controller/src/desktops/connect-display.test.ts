import { HearthError, vmIdSchema } from '@hearth/contract';
import { capturePicture } from '@hearth/rfb';
import { fakePixel } from '@hearth/testing';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connectDisplay, talk } from './connect-display.ts';
import { makeVm, openTestDesktop, progressOf, testVm, type TestDesktop } from './test-desktop.ts';

let desktop: TestDesktop;
beforeEach(async () => {
  desktop = await openTestDesktop();
});
afterEach(async () => {
  // However the attempt ended: its connection is closed.
  await vi.waitFor(() => expect(desktop.fake.displays.open.size).toBe(0));
  await desktop[Symbol.asyncDispose]();
});

const codeOf = async (attempt: Promise<unknown>): Promise<string> => {
  const error: unknown = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof HearthError)) throw new Error(`no error of ours: ${String(error)}`);
  expect(inspect(error)).not.toContain('fakepass');
  return error.code;
};
const connecting = () => connectDisplay(desktop.host, testVm, progressOf('connecting'));

test('a display is joined with its password, and gives a picture of itself', async () => {
  const { socket, init, rest } = await connecting();
  expect(init).toMatchObject({ width: 640, height: 480, name: 'fake' });
  const { value: picture } = await talk(socket, capturePicture(init), progressOf('a picture'), rest);
  const at = (300 * 640 + 5) * 4;
  expect([picture.width, picture.height, ...picture.rgba.subarray(at, at + 4)]).toEqual([
    ...[640, 480],
    ...fakePixel(5, 300, 0),
    255,
  ]);
  socket.destroy();
});

test('the password never shows: not in what is logged of an answer, nor of an error', async () => {
  const { socket, password } = await desktop.host.openDesktop(testVm, { signal: AbortSignal.timeout(5000) });
  expect(inspect({ password }) + JSON.stringify({ password })).not.toContain('fakepass');
  socket.destroy();
});

test('each way to fail has its own code', async () => {
  const { script } = desktop.fake.displays;
  script.refusePassword = true;
  expect(await codeOf(connecting())).toBe('desktop_unreachable');
  script.refusePassword = false;
  script.greeting = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
  expect(await codeOf(connecting())).toBe('desktop_garbled');
  script.greeting = null;
  script.refuse = new HearthError('desktop_unreachable', '192.168.100.2:5900: packets get no answer');
  expect(await codeOf(connecting())).toBe('desktop_unreachable');
  script.refuse = null;

  const cli = vmIdSchema.parse('vm-000000000002');
  await makeVm(desktop.fake, cli, 'cli');
  expect(await codeOf(connectDisplay(desktop.host, cli, progressOf('cli')))).toBe('not_a_desktop');
  const unknown = vmIdSchema.parse('vm-000000000003');
  expect(await codeOf(connectDisplay(desktop.host, unknown, progressOf('unknown')))).toBe('not_found');
});

test('a display that says nothing is given up with the signal, one that hangs up at once', async () => {
  desktop.fake.displays.script.mute = true;
  const ended = new AbortController();
  const progress = { ...progressOf('waiting') };
  const waiting = codeOf(
    connectDisplay(desktop.host, testVm, {
      ...progress,
      child: () => ({ ...progress, signal: ended.signal }),
    }),
  );
  await vi.waitFor(() => expect(desktop.fake.displays.open.size).toBe(1));
  ended.abort(new HearthError('aborted', 'the page went away'));
  expect(await waiting).toBe('aborted');
  await vi.waitFor(() => expect(desktop.fake.displays.open.size).toBe(0));

  const cut = codeOf(connecting());
  await vi.waitFor(() => expect(desktop.fake.displays.open.size).toBe(1));
  for (const { socket } of desktop.fake.displays.open) socket.destroy();
  expect(await cut).toBe('desktop_unreachable');
});

test('without a host daemon it is the host that is unreachable', async () => {
  await desktop.fake.stop();
  expect(await codeOf(connecting())).toBe('host_unreachable');
});
