import type { Log } from '@hearth/contract';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../log.ts';
import type { ControlListener, ControlTransport } from './transport.ts';

/** An open port; `again`: nothing to read, or no room to write, now. A read of 0 bytes: no host is connected. */
export interface PortDevice {
  read(buffer: Uint8Array): number | 'again';
  write(bytes: Uint8Array): number | 'again';
  close(): void;
}

export interface VirtioPortOptions {
  /** Name of the port as the VMM gives it. */
  portName: string;
  log: Log;
  /** Path of the device; null while the port does not exist. */
  findDevice?: (portName: string) => Promise<string | null>;
  openDevice?: (path: string) => PortDevice;
  now?: () => number;
}

const REOPEN_MS = 100;
/**
 * After a connect, a disconnect or traffic the next message is probably near; a clone goes on in the middle of it.
 * Not for long: under emulation so many looks cost a fifth of a processor.
 */
const BUSY_POLL_MS = 10;
const BUSY_FOR_MS = 500;
const IDLE_POLL_MS = 100;
/** A host that doesn't read for so long has lost what was meant for it. */
const STUCK_MS = 5000;
const MAX_QUEUED_BYTES = 1024 * 1024;

/**
 * The control channel over a virtio-serial port. What the driver (drivers/char/virtio_console.c, Linux 6.1) does, and why this polls:
 * - A port can be opened once (EBUSY then), so reading and writing share one descriptor and its flags.
 * - Node can't wait for it with epoll (it is neither a pipe nor a terminal). A blocking read would hold a thread of the pool
 *   for good and keep process.exit from returning; a blocking write without a host would hang until one comes.
 * - So the descriptor is O_NONBLOCK and the calls are synchronous: they never wait. Read gives 0 without a host and EAGAIN with
 *   a silent one, which is how a connect is seen. A host that is away for less than one poll is not noticed: it
 *   gets a `hello` by sending an empty line (see channel.ts).
 */
export function createVirtioPortTransport({
  portName,
  log,
  findDevice = findVirtioPort,
  openDevice = openPortDevice,
  now = () => performance.now(),
}: VirtioPortOptions): ControlTransport {
  const buffer = Buffer.alloc(64 * 1024);
  let listener: ControlListener | undefined;
  let device: PortDevice | undefined;
  let connected = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let busyUntilMs = 0;
  let lastProblem = '';
  let queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let stuckSinceMs: number | undefined;

  const report = (problem: string): void => {
    if (problem !== lastProblem && problem !== '') log('control channel: waiting', { reason: problem });
    lastProblem = problem;
  };
  const schedule = (ms: number): void => {
    if (!stopped) timer = setTimeout(() => void step(), ms);
  };
  const clearQueue = (): void => {
    queue = [];
    queuedBytes = 0;
    stuckSinceMs = undefined;
  };
  const setConnected = (value: boolean): void => {
    if (value === connected) return;
    connected = value;
    clearQueue();
    busyUntilMs = now() + BUSY_FOR_MS;
    if (value) listener?.onConnect();
    else listener?.onDisconnect();
  };
  const drop = (reason: string): void => {
    report(reason);
    setConnected(false);
    device?.close();
    device = undefined;
  };

  const open = async (): Promise<void> => {
    const path = await findDevice(portName);
    if (stopped) return;
    if (path === null) {
      report(`there is no virtio port named ${portName}`);
      return;
    }
    device = openDevice(path);
    report('');
  };
  const receive = (port: PortDevice): void => {
    // A bound on one turn of the event loop; the rest comes at the next poll.
    for (let turns = 0; turns < 16; turns++) {
      const count = port.read(buffer);
      if (count === 0) {
        setConnected(false);
        return;
      }
      setConnected(true);
      if (count === 'again') return;
      busyUntilMs = now() + BUSY_FOR_MS;
      listener?.onData(buffer.subarray(0, count));
    }
  };
  const flush = (port: PortDevice): void => {
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      const count = port.write(first);
      if (count === 'again') {
        stuckSinceMs ??= now();
        if (now() - stuckSinceMs > STUCK_MS) {
          log('control channel: the host does not read, messages dropped', { bytes: queuedBytes });
          clearQueue();
        }
        return;
      }
      stuckSinceMs = undefined;
      queuedBytes -= count;
      if (count === first.length) queue.shift();
      else queue[0] = first.subarray(count);
    }
  };

  const step = async (): Promise<void> => {
    try {
      if (device === undefined) await open();
      if (device !== undefined) {
        receive(device);
        if (connected) flush(device);
      }
    } catch (error) {
      drop(describeError(error));
    }
    if (device === undefined) schedule(REOPEN_MS);
    else schedule(queue.length > 0 || now() < busyUntilMs ? BUSY_POLL_MS : IDLE_POLL_MS);
  };

  return {
    start: (to) => {
      listener = to;
      void step();
    },
    send: (bytes) => {
      if (!connected || device === undefined || queuedBytes + bytes.length > MAX_QUEUED_BYTES) return false;
      queue.push(bytes);
      queuedBytes += bytes.length;
      busyUntilMs = now() + BUSY_FOR_MS;
      try {
        flush(device);
      } catch (error) {
        drop(describeError(error));
        return false;
      }
      return true;
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      device?.close();
      device = undefined;
      connected = false;
    },
  };
}

/** Finds a port by its name: /sys/class/virtio-ports/vport1p1/name → /dev/vport1p1. */
export async function findVirtioPort(
  portName: string,
  sysfs = '/sys/class/virtio-ports',
): Promise<string | null> {
  let ports: string[];
  try {
    ports = await readdir(sysfs);
  } catch (error) {
    // The driver is not loaded yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  for (const port of ports.toSorted()) {
    const name = await readFile(join(sysfs, port, 'name'), 'utf8').catch((error: unknown) => {
      // A port without a name has no such file.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw error;
    });
    if (name.trim() === portName) return `/dev/${port}`;
  }
  return null;
}

function openPortDevice(path: string): PortDevice {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY);
  const unlessAgain = (call: () => number): number | 'again' => {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 'again';
      throw error;
    }
  };
  return {
    read: (buffer) => unlessAgain(() => readSync(fd, buffer)),
    write: (bytes) => unlessAgain(() => writeSync(fd, bytes)),
    close: () => closeSync(fd),
  };
}
