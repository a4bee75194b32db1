// Runs in the guest: asks the X server itself (not VNC) for the picture of the root window; of display :0, or :ARGUMENT.
// Prints "WIDTH HEIGHT\n" and then 4 bytes a pixel: blue, green, red, unused (X11 protocol, GetImage in ZPixmap).
import { connect } from 'node:net';

const socket = connect(`/tmp/.X11-unix/X${process.argv[2] ?? 0}`);
const chunks = socket[Symbol.asyncIterator]();
let held = Buffer.alloc(0);
const read = async (bytes) => {
  while (held.length < bytes) {
    const { value, done } = await chunks.next();
    if (done) throw new Error('the X server hung up');
    held = Buffer.concat([held, value]);
  }
  const part = held.subarray(0, bytes);
  held = held.subarray(bytes);
  return part;
};
const request = (opcode, detail, ...words) => {
  const bytes = Buffer.alloc(4 + words.length * 4);
  bytes.writeUInt8(opcode, 0);
  bytes.writeUInt8(detail, 1);
  bytes.writeUInt16LE(bytes.length / 4, 2);
  words.forEach((word, index) => bytes.writeUInt32LE(word >>> 0, 4 + index * 4));
  socket.write(bytes);
};
const reply = async () => {
  const head = await read(32);
  if (head[0] !== 1) throw new Error(`the X server answered with an error: ${head.toString('hex')}`);
  return { head, body: await read(head.readUInt32LE(4) * 4) };
};

socket.write(Buffer.from([0x6c, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
const greeting = await read(8);
if (greeting[0] !== 1) throw new Error('the X server refused the connection');
const setup = await read(greeting.readUInt16LE(6) * 4);
const vendorBytes = Math.ceil(setup.readUInt16LE(16) / 4) * 4;
const root = setup.readUInt32LE(32 + vendorBytes + setup[21] * 8);

const GET_GEOMETRY = 14;
const GET_IMAGE = 73;
const Z_PIXMAP = 2;
request(GET_GEOMETRY, 0, root);
const { head } = await reply();
const width = head.readUInt16LE(16);
const height = head.readUInt16LE(18);
request(GET_IMAGE, Z_PIXMAP, root, 0, width | (height << 16), 0xffffffff);
const { body } = await reply();
process.stdout.write(`${width} ${height}\n`);
process.stdout.write(body.subarray(0, width * height * 4), () => socket.destroy());
