// check-desktop.mjs devtools|policies|vnc|pixels|resize: the gate's checks of the desktop, from inside, each by the service's own protocol.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const deadline = AbortSignal.timeout(50_000);
const RAW = 0;
const EXTENDED_DESKTOP_SIZE = -308;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function devtools() {
  const pages = await (await fetch('http://127.0.0.1:9222/json/list', { signal: deadline })).json();
  const page = pages.find(({ type }) => type === 'page');
  if (page === undefined) throw new Error('the browser has no page');
  return `${page.title} ${page.url}`;
}

// Single DES, which OpenSSL gives as triple DES only; VNC has the bits of each key byte reversed.
const reverseBits = (byte) =>
  Number.parseInt(byte.toString(2).padStart(8, '0').split('').reverse().join(''), 2);
function des(create, password, blocks) {
  const key = Buffer.from([0, 1, 2, 3, 4, 5, 6, 7].map((at) => reverseBits(password[at] ?? 0)));
  return create('des-ede3-ecb', Buffer.concat([key, key, key]), null)
    .setAutoPadding(false)
    .update(blocks);
}
const FILE_KEY = [23, 82, 107, 6, 35, 78, 88, 7];
const readPassword = () => des(createDecipheriv, FILE_KEY, readFileSync('/run/hearth-display/vnc.passwd'));

/** Logs in by VncAuth; null: the password was refused. */
async function logIn(password) {
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
  const types = [...(await read((await read(1))[0]))];
  if (types.join() !== '2')
    throw new Error(`the VNC server offers security types ${types}, expected VncAuth alone`);
  socket.write(Buffer.from([2]));
  socket.write(des(createCipheriv, password, await read(16)));
  if ((await read(4)).readUInt32BE() !== 0) {
    socket.destroy();
    return null;
  }
  socket.write(Buffer.from([1]));
  const init = await read(24);
  const [width, height] = [init.readUInt16BE(0), init.readUInt16BE(2)];
  await read(init.readUInt32BE(20));
  return { socket, read, width, height };
}

async function enter() {
  const session = await logIn(readPassword());
  if (session === null) throw new Error('the VNC server refused the password of its file');
  return session;
}

/** Reads the whole screen once, uncompressed. */
async function readScreen() {
  const { socket, read, width, height } = await enter();
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
    if (rectangle.readInt32BE(8) !== RAW) throw new Error('unexpected encoding');
    const pixels = await read(rectangle.readUInt16BE(4) * rectangle.readUInt16BE(6) * 4);
    for (let at = 0; at < pixels.length && seen.size < 4096; at += 4)
      seen.add(pixels.readUInt32LE(at) & 0xffffff);
  }
  socket.destroy();
  return { width, height, seen };
}

/** One policy of the file, by what it does: without the file, a page of this machine may ask where it is. */
async function policies() {
  const place = 'http://127.0.0.1:9222/json/version';
  const opened = await fetch(`http://127.0.0.1:9222/json/new?${place}`, { method: 'PUT', signal: deadline });
  const { id, webSocketDebuggerUrl } = await opened.json();
  const expression = `document.readyState === 'complete' && location.href === '${place}'
    ? navigator.permissions.query({ name: 'geolocation' }).then(({ state }) => state) : null`;
  const page = await openDevtools(webSocketDebuggerUrl);
  let state = null;
  while (state === null && !deadline.aborted) {
    state = (await page.ask('Runtime.evaluate', { expression, awaitPromise: true })).result?.value ?? null;
    if (state === null) await pause(300);
  }
  page.close();
  await fetch(`http://127.0.0.1:9222/json/close/${id}`);
  if (state !== 'denied')
    throw new Error(`the browser does not follow its policies: geolocation is ${state}`);
  return 'the browser follows them';
}

async function openDevtools(url) {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error('DevTools took no connection'));
    deadline.addEventListener('abort', () => reject(deadline.reason));
  });
  return {
    ask: (method, params) =>
      new Promise((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(JSON.parse(data).result ?? {});
        deadline.addEventListener('abort', () => reject(deadline.reason));
        socket.send(JSON.stringify({ id: 1, method, params }));
      }),
    close: () => socket.close(),
  };
}

/** Asks for another size as a viewer does; the window of the browser must follow, and be put back with it. */
async function resize() {
  const { socket, width, height } = await enter();
  const message = (w, h) => {
    const bytes = Buffer.alloc(24);
    bytes[0] = 251;
    bytes[6] = 1;
    for (const at of [2, 16]) bytes.writeUInt16BE(w, at);
    for (const at of [4, 18]) bytes.writeUInt16BE(h, at);
    return bytes;
  };
  const setEncodings = Buffer.alloc(12);
  setEncodings[0] = 2;
  setEncodings.writeUInt16BE(2, 2);
  setEncodings.writeInt32BE(RAW, 4);
  setEncodings.writeInt32BE(EXTENDED_DESKTOP_SIZE, 8);
  socket.write(setEncodings);
  try {
    for (const [w, h] of [
      [1600, 900],
      [800, 600],
      [width, height],
    ]) {
      socket.write(message(w, h));
      await windowIs(w, h);
    }
  } finally {
    socket.destroy();
  }
  return 'the browser follows';
}

/** Until the browser's window has this size. */
async function windowIs(width, height) {
  const { webSocketDebuggerUrl } = await (await fetch('http://127.0.0.1:9222/json/version')).json();
  const pages = await (await fetch('http://127.0.0.1:9222/json/list')).json();
  const targetId = pages.find(({ type }) => type === 'page').id;
  const browser = await openDevtools(webSocketDebuggerUrl);
  let bounds = {};
  while (!deadline.aborted) {
    ({ bounds } = await browser.ask('Browser.getWindowForTarget', { targetId }));
    if (bounds.width === width && bounds.height === height) break;
    await pause(300);
  }
  browser.close();
  if (deadline.aborted)
    throw new Error(`asked for ${width}x${height}, the window is ${JSON.stringify(bounds)}`);
}

const checks = {
  devtools,
  policies,
  resize,
  vnc: async () => {
    if ((await logIn(Buffer.from('password'))) !== null) throw new Error('the VNC server takes any password');
    const { socket, width, height } = await enter();
    socket.destroy();
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
if (check === undefined) throw new Error(`expected one of ${Object.keys(checks)}`);
console.log(`ok ${await check()}`);
process.exit(0);
