// check-desktop.mjs devtools|vnc|pixels: the gate's checks of the desktop, from inside, each by the service's own protocol.
import { connect } from 'node:net';

const deadline = AbortSignal.timeout(50_000);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function devtools() {
  const pages = await (await fetch('http://127.0.0.1:9222/json/list', { signal: deadline })).json();
  const page = pages.find(({ type }) => type === 'page');
  if (page === undefined) throw new Error('the browser has no page');
  return `${page.title} ${page.url}`;
}

/** Speaks RFB 3.8 without authentication and reads the whole screen once, uncompressed. */
async function readScreen() {
  const socket = connect({ host: '127.0.0.1', port: 5900, signal: deadline });
  const chunks = socket[Symbol.asyncIterator]();
  let buffered = Buffer.alloc(0);
  const read = async (length) => {
    const parts = [buffered];
    let have = buffered.length;
    while (have < length) {
      const { done, value } = await chunks.next();
      if (done) throw new Error('the VNC server closed the connection');
      parts.push(value);
      have += value.length;
    }
    const all = Buffer.concat(parts);
    buffered = all.subarray(length);
    return all.subarray(0, length);
  };
  const version = (await read(12)).toString();
  if (!version.startsWith('RFB 003.')) throw new Error(`not RFB: ${version}`);
  socket.write('RFB 003.008\n');
  const types = await read((await read(1))[0]);
  if (!types.includes(1)) throw new Error('the VNC server wants authentication');
  socket.write(Buffer.from([1]));
  if ((await read(4)).readUInt32BE() !== 0) throw new Error('the VNC server refused');
  socket.write(Buffer.from([1]));
  const init = await read(24);
  const [width, height] = [init.readUInt16BE(0), init.readUInt16BE(2)];
  await read(init.readUInt32BE(20));
  const request = Buffer.alloc(10);
  request[0] = 3;
  request.writeUInt16BE(width, 6);
  request.writeUInt16BE(height, 8);
  socket.write(request);
  const seen = new Set();
  const [type, , count] = await read(4).then((head) => [head[0], 0, head.readUInt16BE(2)]);
  if (type !== 0) throw new Error(`unexpected message ${type}`);
  for (let i = 0; i < count; i++) {
    const rectangle = await read(12);
    if (rectangle.readInt32BE(8) !== 0) throw new Error('unexpected encoding');
    const pixels = await read(rectangle.readUInt16BE(4) * rectangle.readUInt16BE(6) * 4);
    for (let at = 0; at < pixels.length && seen.size < 4096; at += 4)
      seen.add(pixels.readUInt32LE(at) & 0xffffff);
  }
  socket.destroy();
  return { width, height, seen };
}

const checks = {
  devtools,
  vnc: async () => {
    const { width, height } = await readScreen();
    return `${width}x${height}`;
  },
  // F33: a black or empty screen has a handful of colours; text is anti-aliased in dozens.
  pixels: async () => {
    for (;;) {
      const { seen } = await readScreen();
      if (seen.size >= 16) return `${seen.size} colours`;
      if (deadline.aborted) throw new Error(`the screen shows ${seen.size} colours`);
      await pause(500);
    }
  },
};

const check = checks[process.argv[2]];
if (check === undefined) throw new Error('expected devtools, vnc or pixels');
console.log(`ok ${await check()}`);
process.exit(0);
