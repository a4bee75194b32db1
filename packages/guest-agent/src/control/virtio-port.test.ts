import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ControlTransport } from './transport.ts';
import { createVirtioPortTransport, findVirtioPort, type PortDevice } from './virtio-port.ts';

/** Behaves as the driver does: 0 bytes without a host, EAGAIN with a silent one. */
function fakePort() {
  const port = {
    connected: false,
    full: false,
    gone: false,
    incoming: [] as Buffer[],
    written: '',
    opened: 0,
    looks: 0,
    device: (): PortDevice => {
      port.opened++;
      return {
        read: (buffer) => {
          port.looks++;
          if (port.gone) throw Object.assign(new Error('gone'), { code: 'ENODEV' });
          if (!port.connected) return 0;
          const next = port.incoming.shift();
          if (next === undefined) return 'again';
          buffer.set(next);
          return next.length;
        },
        write: (bytes) => {
          if (!port.connected || port.full) return 'again';
          // Takes a part only, as the driver may.
          const part = bytes.subarray(0, 5);
          port.written += Buffer.from(part).toString();
          return part.length;
        },
        close: () => undefined,
      };
    },
  };
  return port;
}

let transport: ControlTransport | undefined;
afterEach(() => transport?.stop());

function start(
  port: ReturnType<typeof fakePort>,
  findDevice = async (): Promise<string | null> => '/dev/x',
  now = () => performance.now(),
) {
  const events: string[] = [];
  transport = createVirtioPortTransport({
    portName: 'hearth.control.0',
    log: () => undefined,
    findDevice,
    openDevice: port.device,
    now,
  });
  transport.start({
    onConnect: () => void events.push('connect'),
    onData: (chunk) => void events.push(Buffer.from(chunk).toString()),
    onDisconnect: () => void events.push('disconnect'),
  });
  return { transport, events };
}

describe('virtio port', () => {
  it('sees the host come, speak, go and come again', async () => {
    const port = fakePort();
    const { events, transport: channel } = start(port);
    expect(channel.send(Buffer.from('lost'))).toBe(false);
    port.connected = true;
    await expect.poll(() => events).toEqual(['connect']);
    port.incoming.push(Buffer.from('one'), Buffer.from('two'));
    await expect.poll(() => events).toEqual(['connect', 'one', 'two']);
    port.connected = false;
    await expect.poll(() => events.at(-1)).toBe('disconnect');
    port.connected = true;
    await expect.poll(() => events.at(-1)).toBe('connect');
    expect(port.opened).toBe(1);
  });

  it('writes whole messages in parts, and waits for a host that does not read', async () => {
    const port = fakePort();
    port.connected = true;
    const { events, transport: channel } = start(port);
    await expect.poll(() => events).toEqual(['connect']);
    port.full = true;
    expect(channel.send(Buffer.from('first message\n'))).toBe(true);
    expect(channel.send(Buffer.from('second message\n'))).toBe(true);
    expect(channel.send(Buffer.alloc(2 * 1024 * 1024))).toBe(false);
    expect(port.written).toBe('');
    port.full = false;
    await expect.poll(() => port.written).toBe('first message\nsecond message\n');
  });

  it('does not say to a new host what was meant for the last', async () => {
    const port = fakePort();
    port.connected = true;
    port.full = true;
    const { events, transport: channel } = start(port);
    await expect.poll(() => events).toEqual(['connect']);
    channel.send(Buffer.from('stale'));
    port.connected = false;
    await expect.poll(() => events.at(-1)).toBe('disconnect');
    port.connected = true;
    port.full = false;
    await expect.poll(() => events.at(-1)).toBe('connect');
    channel.send(Buffer.from('fresh'));
    expect(port.written).toBe('fresh');
  });

  it('looks often after a host went, as the one of a clone is near, and seldom once nobody came', async () => {
    const port = fakePort();
    port.connected = true;
    let nowMs = 0;
    const { events } = start(port, undefined, () => nowMs);
    await expect.poll(() => events).toEqual(['connect']);
    port.connected = false;
    await expect.poll(() => events.at(-1)).toBe('disconnect');
    const looksIn = async (ms: number): Promise<number> => {
      const before = port.looks;
      await new Promise((resolve) => setTimeout(resolve, ms));
      return port.looks - before;
    };
    const often = await looksIn(500);
    nowMs = 60_000;
    // Whatever look was set still comes soon.
    await looksIn(50);
    expect(await looksIn(500)).toBeLessThan(often);
  });

  it('waits for the port to appear, and opens it again when it was unplugged', async () => {
    const port = fakePort();
    port.connected = true;
    let looks = 0;
    const { events } = start(port, async () => (++looks < 3 ? null : '/dev/x'));
    await expect.poll(() => events).toEqual(['connect']);
    port.gone = true;
    await expect.poll(() => events.at(-1)).toBe('disconnect');
    port.gone = false;
    await expect.poll(() => events.at(-1)).toBe('connect');
  });

  it('is found by its name', async () => {
    const sysfs = await mkdtemp(join(tmpdir(), 'hearth-ports-'));
    try {
      for (const [port, name] of [
        ['vport1p1', 'org.other'],
        ['vport1p2', 'hearth.control.0'],
      ] as const) {
        await mkdir(join(sysfs, port));
        await writeFile(join(sysfs, port, 'name'), `${name}\n`);
      }
      await mkdir(join(sysfs, 'vport0p0'));
      expect(await findVirtioPort('hearth.control.0', sysfs)).toBe('/dev/vport1p2');
      expect(await findVirtioPort('none', sysfs)).toBeNull();
      expect(await findVirtioPort('none', join(sysfs, 'missing'))).toBeNull();
    } finally {
      await rm(sysfs, { recursive: true });
    }
  });
});
