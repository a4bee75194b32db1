import type { GuestDisplay } from '@hearth/contract';
import { answerChallenge } from '@hearth/rfb';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { browserVmProbes } from './browser-vm.ts';
import type { Probe } from './probe.ts';

const display: GuestDisplay = { geometry: { width: 640, height: 480 }, vncPassword: 'hearth12' };
const CHALLENGE = Buffer.alloc(16, 5);

/** As much of a VNC server as the probes talk to. */
interface Screen {
  width: number;
  height: number;
  password: string;
  painted: boolean;
  /** What comes of a wish for another size: granted, or the status of the refusal. */
  resizeStatus: number;
  wishes: string[];
}

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function start(changes: Partial<Screen> = {}) {
  const screen: Screen = {
    width: 640,
    height: 480,
    password: 'hearth12',
    painted: false,
    resizeStatus: 0,
    wishes: [],
    ...changes,
  };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket, screen).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const reached = new Set<string>();
  const probe = (): Probe[] =>
    browserVmProbes({ vnc: port, devtools: 9 }, display, async () => false, reached);
  return { screen, probe, probes: probe() };
}

async function check(probes: Probe[], name: Probe['name']): Promise<string> {
  const probe = probes.find((one) => one.name === name);
  if (probe === undefined) throw new Error(`no probe ${name}`);
  return probe.check(AbortSignal.timeout(4000));
}

const u16 = (...values: number[]): number[] => values.flatMap((value) => [value >> 8, value & 0xff]);
const FORMAT = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
const RAW = [0, 0, 0, 0];
const EXTENDED_DESKTOP_SIZE = [0xff, 0xff, 0xfe, 0xcc];

/** Rejects where the probe hangs up. */
async function serve(socket: Socket, screen: Screen): Promise<void> {
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  let held = Buffer.alloc(0);
  const read = async (bytes: number): Promise<Buffer> => {
    while (held.length < bytes) {
      const next = await chunks.next();
      if (next.done === true) throw new Error('the probe hung up');
      held = Buffer.concat([held, next.value]);
    }
    const taken = held.subarray(0, bytes);
    held = held.subarray(bytes);
    return taken;
  };
  const write = (...bytes: number[]): boolean => socket.write(Buffer.from(bytes));

  socket.write('RFB 003.008\n');
  await read(12);
  write(1, 2);
  await read(1);
  socket.write(CHALLENGE);
  const isRight = (await read(16)).equals(answerChallenge(screen.password, CHALLENGE));
  write(0, 0, 0, isRight ? 0 : 1);
  if (!isRight) {
    write(0, 0, 0, 2, ...Buffer.from('no'));
    return;
  }
  await read(1);
  write(...u16(screen.width, screen.height), ...FORMAT, 0, 0, 0, 0);

  let knowsSizes = false;
  /** Reason and status of a size that is yet to be told. */
  let news: [number, number] | null = null;
  for (;;) {
    const type = (await read(1)).readUInt8();
    if (type === 0) {
      await read(19);
    } else if (type === 2) {
      const count = (await read(3)).readUInt16BE(1);
      knowsSizes = (await read(4 * count)).includes(Buffer.from(EXTENDED_DESKTOP_SIZE));
      if (knowsSizes) news = [0, 0];
    } else if (type === 3) {
      const area = await read(9);
      if (news !== null) {
        const layout = [1, 0, 0, 0, 0, 0, 0, 7, ...u16(0, 0, screen.width, screen.height), 0, 0, 0, 0];
        const head = [...u16(...news, screen.width, screen.height), ...EXTENDED_DESKTOP_SIZE];
        write(0, 0, ...u16(1), ...head, ...layout);
        news = null;
      } else {
        const pixels = Buffer.alloc(area.readUInt16BE(5) * area.readUInt16BE(7) * 4);
        if (screen.painted) pixels.fill(0xff, 0, pixels.length / 10);
        write(0, 0, ...u16(1), ...area.subarray(1), ...RAW, ...pixels);
      }
    } else if (type === 251) {
      const wish = await read(23);
      if (screen.resizeStatus === 0) {
        screen.width = wish.readUInt16BE(1);
        screen.height = wish.readUInt16BE(3);
      }
      screen.wishes.push(`${wish.readUInt16BE(1)}x${wish.readUInt16BE(3)}`);
      news = [1, screen.resizeStatus];
    } else {
      throw new Error(`message of type ${type}`);
    }
  }
}

describe('probes of a browser VM', () => {
  it('F33: a screen of one colour is not painted, one with a window is', async () => {
    const { screen, probes } = await start();
    await expect(check(probes, 'desktop')).rejects.toThrow('the screen is of one colour');
    screen.painted = true;
    expect(await check(probes, 'desktop')).toBe('painted');
  });

  it('F41: a VNC server with another password, or without one, is none of ours', async () => {
    const { screen, probes } = await start({ password: 'another1' });
    await expect(check(probes, 'display')).rejects.toThrow('wrong password: no');
    await expect(check(probes, 'desktop')).rejects.toThrow('wrong password: no');
    screen.password = 'hearth12';
    expect(await check(probes, 'display')).toBe('640x480');
  });

  it('F34: a screen of another size is told the size that was asked for', async () => {
    const { screen, probes } = await start({ width: 1024, height: 768 });
    expect(await check(probes, 'display')).toBe('640x480');
    expect(screen).toMatchObject({ width: 640, height: 480, wishes: ['640x480'] });
  });

  it('F34: a screen that keeps another size is not ready, until it was once as asked', async () => {
    const { screen, probe, probes } = await start({ width: 1024, height: 768, resizeStatus: 1 });
    const refusal = /1024x768, 640x480 was asked for.*forbidden/;
    await expect(check(probes, 'display')).rejects.toThrow(refusal);
    await expect(check(probes, 'display')).rejects.toThrow(refusal);
    screen.resizeStatus = 0;
    expect(await check(probes, 'display')).toBe('640x480');
    // A viewer gives it another size: that is in order.
    Object.assign(screen, { width: 900, height: 700 });
    expect(await check(probes, 'display')).toBe('900x700');
    // A new host daemon brings a new password, and so new probes: they leave it as it is, too.
    expect(await check(probe(), 'display')).toBe('900x700');
    expect(screen.wishes).toHaveLength(3);
  });

  it('F33: a browser that does not answer is named', async () => {
    const { probes } = await start();
    await expect(check(probes, 'browser')).rejects.toThrow('ECONNREFUSED');
  });
});
