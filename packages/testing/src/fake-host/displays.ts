import {
  DESKTOP_PASSWORD_HEADER,
  DESKTOP_PROTOCOL,
  type Geometry,
  type HearthError,
  type VmId,
} from '@hearth/contract';
import { answerChallenge } from '@hearth/rfb';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { readViewerMessages } from './viewer-messages.ts';

/** What the displays are told to do; may be changed at any time, for connections to come. */
export interface FakeDisplayScript {
  geometry: Geometry;
  name: string;
  /** The upgrade is refused with this. */
  refuse: HearthError | null;
  /** Whatever password comes is wrong. */
  refusePassword: boolean;
  /** Says nothing, not even its version. */
  mute: boolean;
  /** Sends this instead of its version. */
  greeting: Buffer | null;
}

export const defaultDisplayScript: FakeDisplayScript = {
  geometry: { width: 640, height: 480 },
  name: 'fake',
  refuse: null,
  refusePassword: false,
  mute: false,
  greeting: null,
};

/** One connection to the VNC server of a fake VM. */
export interface FakeDisplay {
  readonly vmId: VmId;
  readonly socket: Socket;
  /** Messages after the handshake, each with its type first. */
  readonly messages: Buffer[];
  /** The handshake is over. */
  readonly joined: boolean;
  /** Shows another picture: answers the request that waits, or the next one. */
  paint(): void;
  /** The screen has another size: told as ExtendedDesktopSize at the next answer. */
  resize(geometry: Geometry): void;
  /** Updates one after the other, as fast as they are taken, whether asked for or not; returns how to stop. */
  flood(): () => void;
  /** Reads nothing any more. */
  stall(): void;
}

export interface FakeDisplays {
  readonly script: FakeDisplayScript;
  /** Open now, oldest first. */
  readonly open: ReadonlySet<FakeDisplay>;
  accept(vmId: VmId, socket: Socket): void;
}

const PASSWORD = 'fakepass';
const ENCODING_EXTENDED_DESKTOP_SIZE = -308;

/** red, green and blue of the fake screen at a place, in its `paints`-th picture. */
export const fakePixel = (x: number, y: number, paints: number): [number, number, number] => [
  x & 0xff,
  y & 0xff,
  (paints * 40) & 0xff,
];

export function createDisplays(script: FakeDisplayScript): FakeDisplays {
  const open = new Set<FakeDisplay>();
  return {
    script,
    open,
    accept: (vmId, socket) => {
      socket.setNoDelay(true);
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${DESKTOP_PROTOCOL}\r\n` +
          `${DESKTOP_PASSWORD_HEADER}: ${PASSWORD}\r\n\r\n`,
      );
      const display = serve(vmId, socket, script);
      open.add(display);
      const end = (): void => void socket.destroy();
      socket
        .on('error', end)
        .on('end', end)
        .on('close', () => open.delete(display));
    },
  };
}

/** Where a pixel of 32 bits, little-endian, has its colours. */
interface Shifts {
  red: number;
  green: number;
  blue: number;
}

/** A VNC server in Raw encoding, for pixels of 32 bits, little-endian. */
function serve(vmId: VmId, socket: Socket, script: FakeDisplayScript): FakeDisplay {
  const challenge = randomBytes(16);
  const messages: Buffer[] = [];
  let { geometry } = script;
  let resized = false;
  let paints = 0;
  /** An incremental request that waits for a change. */
  let waiting = false;
  let stale = false;
  let joined = false;
  let shifts: Shifts = { red: 16, green: 8, blue: 0 };
  /** Made at the first request after a change. */
  let picture: Buffer | null = null;

  const update = (): void => {
    waiting = false;
    stale = false;
    const sizeFirst = resized ? [sizeRectangle(geometry)] : [];
    resized = false;
    picture ??= rawRectangle(geometry, paints, shifts);
    socket.write(framebufferUpdate([...sizeFirst, picture]));
  };
  const onMessage = (message: Buffer): void => {
    messages.push(message);
    if (message[0] === 0) {
      shifts = { red: message[14] ?? 0, green: message[15] ?? 0, blue: message[16] ?? 0 };
      picture = null;
    }
    if (message[0] !== 3) return;
    if (message[1] === 0 || stale || resized) update();
    else waiting = true;
  };
  const handshake = [
    { bytes: 12, act: () => socket.write(Buffer.from([1, 2])) },
    { bytes: 1, act: () => socket.write(challenge) },
    {
      bytes: 16,
      act: (answer: Buffer) => {
        if (!script.refusePassword && answer.equals(answerChallenge(PASSWORD, challenge))) {
          socket.write(Buffer.alloc(4));
          return;
        }
        const reason = Buffer.from('Authentication failed');
        socket.end(Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, reason.length]), reason]));
      },
    },
    { bytes: 1, act: () => socket.write(serverInit(geometry, script.name)) },
  ];
  let pending = Buffer.alloc(0);
  const read = readViewerMessages(onMessage);
  socket.on('data', (chunk: Buffer) => {
    if (joined) {
      read(chunk);
      return;
    }
    pending = Buffer.concat([pending, chunk]);
    for (let step = handshake[0]; step !== undefined && pending.length >= step.bytes; step = handshake[0]) {
      handshake.shift();
      const part = pending.subarray(0, step.bytes);
      pending = pending.subarray(step.bytes);
      step.act(part);
    }
    if (handshake.length > 0) return;
    joined = true;
    read(pending);
  });
  if (!script.mute) socket.write(script.greeting ?? Buffer.from('RFB 003.008\n'));

  return {
    vmId,
    socket,
    messages,
    get joined() {
      return joined;
    },
    paint: () => {
      paints += 1;
      picture = null;
      stale = true;
      if (waiting) update();
    },
    resize: (wanted) => {
      geometry = wanted;
      picture = null;
      resized = true;
      if (waiting) update();
    },
    flood: () => {
      let flooding = true;
      const next = (): void => {
        while (flooding && !socket.destroyed && !socket.writableNeedDrain) update();
      };
      socket.on('drain', next);
      next();
      return () => {
        flooding = false;
        socket.off('drain', next);
      };
    },
    stall: () => void socket.pause(),
  };
}

function serverInit({ width, height }: Geometry, name: string): Buffer {
  const head = Buffer.from([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt16BE(width, 0);
  head.writeUInt16BE(height, 2);
  const text = Buffer.from(name);
  head.writeUInt32BE(text.length, 20);
  return Buffer.concat([head, text]);
}

function framebufferUpdate(rectangles: Buffer[]): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(rectangles.length, 2);
  return Buffer.concat([head, ...rectangles]);
}

function rectangle({ width, height }: Geometry, encoding: number, body: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(width, 4);
  head.writeUInt16BE(height, 6);
  head.writeInt32BE(encoding, 8);
  return Buffer.concat([head, body]);
}

function rawRectangle(geometry: Geometry, paints: number, shifts: Shifts): Buffer {
  const { width, height } = geometry;
  const pixels = Buffer.alloc(width * height * 4);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const [red, green, blue] = fakePixel(x, y, paints);
      pixels.writeUInt32LE(
        ((red << shifts.red) | (green << shifts.green) | (blue << shifts.blue)) >>> 0,
        (y * width + x) * 4,
      );
    }
  return rectangle(geometry, 0, pixels);
}

/** One screen of the whole size. */
function sizeRectangle(geometry: Geometry): Buffer {
  const body = Buffer.alloc(20);
  body[0] = 1;
  body.writeUInt16BE(geometry.width, 12);
  body.writeUInt16BE(geometry.height, 14);
  return rectangle(geometry, ENCODING_EXTENDED_DESKTOP_SIZE, body);
}
