import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { encodings, joinServer, pseudoEncodings, RGBX, type RfbDialogue, type ServerInit } from '@hearth/rfb';
import { runDialogue } from '../../packages/controller/src/desktops/dialogue-runner.ts';
import { serverMessages } from '../../packages/rfb/src/server-messages.ts';
import {
  setEncodings,
  setPixelFormat,
  updateRequest,
  viewerMessages,
} from '../../packages/rfb/src/viewer-messages.ts';
import type { Echo, EchoPlan } from './echo-plan.ts';

/**
 * `node native-echo.ts`, in the network namespace of a Hearth: a VNC client without a browser, which talks to a VM's VNC
 * server as noVNC does (pixel format, Raw and CopyRect, continuous updates). Reads what to do from standard input and prints the
 * echoes as JSON.
 */
export interface NativeEchoInput {
  ip: string;
  port: number;
  password: string;
  plan: EchoPlan;
}

const KEY = 'x'.charCodeAt(0);
const RETURN = 0xff0d;
const FENCE_REQUEST = 0x80000000;
/** BlockBefore and BlockAfter: a client that does one message after the other has them for nothing. */
const FENCE_FLAGS = 3;
const FIRST_PICTURE_MS = 2000;

const { ip, port, password, plan } = JSON.parse(await text(process.stdin)) as NativeEchoInput;
/** Told of each change of the picture. */
let onChange = (_pixels: number): void => undefined;

function* watch(): RfbDialogue<never> {
  const init = yield* joinServer(password);
  yield { send: setPixelFormat(RGBX) };
  const { cursor, lastRect, fence, continuousUpdates } = pseudoEncodings;
  const wanted = [encodings.copyRect, encodings.raw, cursor, lastRect, fence, continuousUpdates];
  yield { send: setEncodings(wanted) };
  yield { send: updateRequest(false, 0, 0, init.width, init.height) };
  const picture = Buffer.alloc(init.width * init.height * 4);
  let continuous = false;
  for (;;) {
    const type = (yield { read: 1 }).readUInt8();
    if (type === serverMessages.update) {
      yield* readUpdate(init, picture);
      if (!continuous) yield { send: updateRequest(true, 0, 0, init.width, init.height) };
    } else if (type === serverMessages.endOfContinuousUpdates) {
      continuous = true;
      // The same layout but for its type.
      const enable = updateRequest(true, 0, 0, init.width, init.height);
      enable.writeUInt8(viewerMessages.enableContinuousUpdates);
      yield { send: enable };
    } else if (type === serverMessages.fence) {
      yield* answerFence();
    } else if (type !== serverMessages.bell) {
      throw new Error(`a message of type ${type}`);
    }
  }
}

function* answerFence(): RfbDialogue<void> {
  const head = Buffer.from(yield { read: 8 });
  const payload = Buffer.from(yield { read: head.readUInt8(7) });
  const flags = head.readUInt32BE(3);
  if ((flags & FENCE_REQUEST) === 0) return;
  head.writeUInt32BE(flags & FENCE_FLAGS, 3);
  yield { send: Buffer.concat([Buffer.from([viewerMessages.fence]), head, payload]) };
}

function* readUpdate(screen: ServerInit, picture: Buffer): RfbDialogue<void> {
  const rectangles = (yield { read: 3 }).readUInt16BE(1);
  for (let index = 0; index < rectangles; index += 1) {
    const head = yield { read: 12 };
    const [x, y, width, height] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at)) as [
      number,
      number,
      number,
      number,
    ];
    const encoding = head.readInt32BE(8);
    let pixels: Buffer;
    if (encoding === pseudoEncodings.lastRect) {
      return;
    } else if (encoding === pseudoEncodings.cursor) {
      yield { read: width * height * 4 + Math.ceil(width / 8) * height };
      continue;
    } else if (encoding === encodings.copyRect) {
      const from = yield { read: 4 };
      pixels = cutOut(picture, screen.width, from.readUInt16BE(0), from.readUInt16BE(2), width, height);
    } else if (encoding === encodings.raw) {
      pixels = yield { read: width * height * 4 };
    } else {
      throw new Error(`encoding ${encoding}`);
    }
    let changed = false;
    for (let line = 0; line < height; line += 1) {
      const [from, to] = [line * width * 4, ((y + line) * screen.width + x) * 4];
      changed ||= pixels.compare(picture, to, to + width * 4, from, from + width * 4) !== 0;
      pixels.copy(picture, to, from, from + width * 4);
    }
    if (changed) onChange(width * height);
  }
}

function cutOut(
  picture: Buffer,
  screenWidth: number,
  x: number,
  y: number,
  width: number,
  height: number,
): Buffer {
  const lines = Array.from({ length: height }, (_, line) => {
    const from = ((y + line) * screenWidth + x) * 4;
    return picture.subarray(from, from + width * 4);
  });
  return Buffer.concat(lines);
}

const socket = connect({ host: ip, port, noDelay: true });
await once(socket, 'connect');
const runner = runDialogue(watch(), (bytes) => socket.write(bytes));
socket.on('data', (chunk) => runner.push(chunk));

/** Down and up; milliseconds until the change is seen. */
async function press(keysym: number): Promise<number> {
  const seen = Promise.withResolvers<number>();
  const timer = setTimeout(() => seen.reject(new Error('a key was not echoed')), plan.timeoutMs);
  onChange = (pixels) => {
    if (pixels <= plan.mostPixels) seen.resolve(performance.now());
  };
  const startedMs = performance.now();
  socket.write(keyEvent(true, keysym));
  const seenMs = (await seen.promise) - startedMs;
  clearTimeout(timer);
  onChange = () => undefined;
  socket.write(keyEvent(false, keysym));
  await pause(plan.restMs * (1 + Math.random()));
  return seenMs;
}

function keyEvent(down: boolean, keysym: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(viewerMessages.keyEvent, 0);
  bytes.writeUInt8(Number(down), 1);
  bytes.writeUInt32BE(keysym, 4);
  return bytes;
}

await pause(FIRST_PICTURE_MS);
const echoes: Echo[] = [];
for (let count = 0; count < plan.presses; count += 1)
  echoes.push({ seenMs: await press(KEY), frameMs: null });
await press(RETURN);
process.stdout.write(JSON.stringify(echoes));
socket.destroy();
