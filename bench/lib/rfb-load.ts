import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const READ_BYTES = 1024 * 1024;

/** A viewer that asks for pictures and throws them away: as cheap as can be, so that the way is what is measured. */
export interface RfbLoad {
  /** Bytes that came since the handshake. */
  bytes(): number;
  /** Called for each read. */
  onBytes: (bytes: number) => void;
  request(incremental: boolean, width: number, height: number): void;
  key(down: boolean, keysym: number): void;
  closed(): boolean;
  close(): void;
}

/** Bytes of an update of so many pixels in one Raw rectangle. */
export const updateBytes = (width: number, height: number): number => 16 + width * height * 4;

/**
 * Joins the VNC server at a port of 127.0.0.1 with security type None, by TCP, or in the frames of a WebSocket.
 * @param path of the WebSocket; null: TCP
 */
export async function openLoad(port: number, path: string | null, host = '127.0.0.1'): Promise<RfbLoad> {
  let bytes = 0;
  let early = Buffer.alloc(0);
  let heard = Promise.withResolvers<undefined>();
  let joined = false;
  let closed = false;
  const load: Pick<RfbLoad, 'onBytes'> = { onBytes: () => undefined };
  const socket: Socket = connect({
    ...{ port, host, noDelay: true },
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (count, buffer) => {
        if (joined) {
          bytes += count;
          load.onBytes(count);
        } else {
          early = Buffer.concat([early, buffer.subarray(0, count)]);
          heard.resolve(undefined);
        }
        return true;
      },
    },
  });
  socket.on('close', () => {
    closed = true;
    heard.resolve(undefined);
  });
  await once(socket, 'connect');
  socket.on('error', () => socket.destroy());
  const hear = async (): Promise<void> => {
    if (closed)
      throw new Error(`port ${port} closed the connection: ${early.toString('latin1').slice(0, 200)}`);
    await heard.promise;
    heard = Promise.withResolvers();
  };
  if (path !== null) {
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${host}:${port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
    ];
    const key = Buffer.alloc(16, 1).toString('base64');
    lines.push(`Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: binary');
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    while (!early.includes('\r\n\r\n')) await hear();
    if (!early.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(early.toString('latin1'));
    early = early.subarray(early.indexOf('\r\n\r\n') + 4);
  }
  /** What the frames hold that came so far, with their heads taken off. */
  let content = Buffer.alloc(0);
  const unframe = (): void => {
    if (path === null) {
      content = Buffer.concat([content, early]);
      early = Buffer.alloc(0);
      return;
    }
    while (early.length >= 2 && early.length >= 2 + ((early[1] ?? 0) & 0x7f)) {
      const length = early[1] ?? 0;
      content = Buffer.concat([content, early.subarray(2, 2 + length)]);
      early = early.subarray(2 + length);
    }
  };
  const read = async (count: number): Promise<Buffer> => {
    unframe();
    while (content.length < count) {
      await hear();
      unframe();
    }
    const part = content.subarray(0, count);
    content = content.subarray(count);
    return part;
  };
  const send = (data: Buffer): void => {
    // Masked with zeros, which is no change.
    if (path === null) socket.write(data);
    else socket.write(Buffer.concat([Buffer.from([0x82, 0x80 | data.length, 0, 0, 0, 0]), data]));
  };
  await read(12);
  send(Buffer.from('RFB 003.008\n'));
  await read((await read(1))[0] ?? 0);
  send(Buffer.from([1]));
  await read(4);
  send(Buffer.from([1]));
  const init = await read(24);
  await read(init.readUInt32BE(20));
  joined = true;
  // Encodings: Raw alone.
  send(Buffer.from([2, 0, 0, 1, 0, 0, 0, 0]));
  return Object.assign(load, {
    bytes: () => bytes,
    request: (incremental: boolean, width: number, height: number) => {
      const message = Buffer.alloc(10);
      message.set([3, incremental ? 1 : 0]);
      message.writeUInt16BE(width, 6);
      message.writeUInt16BE(height, 8);
      send(message);
    },
    key: (down: boolean, keysym: number) => {
      const message = Buffer.from([4, down ? 1 : 0, 0, 0, 0, 0, 0, 0]);
      message.writeUInt32BE(keysym, 4);
      send(message);
    },
    closed: () => closed,
    close: () => {
      socket.destroy();
    },
  });
}
