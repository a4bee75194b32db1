import { RfbError, RfbRefusal, type RfbDialogue } from './dialogue.ts';
import { checkScreenSize, MAX_TEXT_BYTES } from './limits.ts';
import { PIXEL_FORMAT_BYTES, pixelFormatBytes, readPixelFormat, type PixelFormat } from './pixel-format.ts';
import { answerChallenge } from './vnc-auth.ts';

/** What a server says of itself when a session begins. */
export interface ServerInit {
  width: number;
  height: number;
  pixelFormat: PixelFormat;
  name: string;
}

const VERSION = 'RFB 003.008\n';
const FIRST_VERSION = 'RFB 003.003\n';
const SECURITY_NONE = 1;
const SECURITY_VNC_AUTH = 2;
const CHALLENGE_BYTES = 16;

/**
 * The viewer's side up to ServerInit, as a shared session; VncAuth where a password is given, else security type None.
 * Throws RfbError: not RFB, too old, wrong password, refused, impossible geometry or pixel format, name too long.
 */
export function* joinServer(password: string | null): RfbDialogue<ServerInit> {
  const banner = (yield { read: VERSION.length }).toString('latin1');
  if (!/^RFB 003\.\d{3}\n$/.test(banner)) throw new RfbError(`no RFB server: ${JSON.stringify(banner)}`);
  if (banner === FIRST_VERSION) yield* firstRefusal();
  if (banner < VERSION) throw new RfbError(`RFB version ${banner.slice(4, 11)} is too old`);
  yield { send: Buffer.from(VERSION) };

  const offered = (yield { read: 1 }).readUInt8();
  if (offered === 0) throw new RfbRefusal(`refused: ${yield* reason()}`);
  const types = yield { read: offered };
  if (password === null) {
    if (!types.includes(SECURITY_NONE)) throw new RfbError('asks for a password');
    yield { send: Buffer.from([SECURITY_NONE]) };
  } else {
    if (!types.includes(SECURITY_VNC_AUTH)) throw new RfbError('knows no password: VncAuth is not offered');
    yield { send: Buffer.from([SECURITY_VNC_AUTH]) };
    yield { send: answerChallenge(password, yield { read: CHALLENGE_BYTES }) };
  }
  if ((yield { read: 4 }).readUInt32BE() !== 0) {
    const text = yield* reason();
    throw new RfbRefusal(password === null ? `refused: ${text}` : `wrong password: ${text}`);
  }

  // ClientInit, shared: whoever watches already is not thrown out.
  yield { send: Buffer.from([1]) };
  const init = yield { read: 4 + PIXEL_FORMAT_BYTES };
  const width = init.readUInt16BE(0);
  const height = init.readUInt16BE(2);
  checkScreenSize(width, height);
  const pixelFormat = readPixelFormat(init.subarray(4));
  return { width, height, pixelFormat, name: yield* shortText('name') };
}

/**
 * The server's side towards a viewer that was let in already: version 3.8, security type None, ServerInit as given.
 * Throws RfbError: not RFB, another version, another security type.
 */
export function* welcomeViewer(init: ServerInit): RfbDialogue<void> {
  yield { send: Buffer.from(VERSION) };
  const banner = (yield { read: VERSION.length }).toString('latin1');
  if (!/^RFB \d{3}\.\d{3}\n$/.test(banner)) throw new RfbError(`no RFB viewer: ${JSON.stringify(banner)}`);
  if (banner !== VERSION) throw new RfbError(`the viewer speaks RFB ${banner.slice(4, 11)}, not 003.008`);
  yield { send: Buffer.from([1, SECURITY_NONE]) };
  const type = (yield { read: 1 }).readUInt8();
  if (type !== SECURITY_NONE)
    throw new RfbError(`the viewer chose security type ${type}, which was not offered`);
  yield { send: Buffer.alloc(4) };
  // ClientInit: whether others may stay is not this viewer's to say.
  yield { read: 1 };
  yield { send: serverInitBytes(init) };
}

/** TigerVNC refuses in the words of the first version, whatever it speaks else, an address from which too many wrong passwords came. */
function* firstRefusal(): RfbDialogue<void> {
  yield { send: Buffer.from(FIRST_VERSION) };
  if ((yield { read: 4 }).readUInt32BE() === 0) throw new RfbRefusal(`refused: ${yield* reason()}`);
}

function serverInitBytes({ width, height, pixelFormat, name }: ServerInit): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt16BE(width, 0);
  size.writeUInt16BE(height, 2);
  const text = Buffer.from(name);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([size, pixelFormatBytes(pixelFormat), length, text]);
}

/** Why a server refused, fit for a log line. */
function* reason(): RfbDialogue<string> {
  return (yield* shortText('reason')).replace(/\p{Cc}+/gu, ' ').trim();
}

function* shortText(what: string): RfbDialogue<string> {
  const bytes = (yield { read: 4 }).readUInt32BE();
  if (bytes > MAX_TEXT_BYTES) throw new RfbError(`a ${what} of ${bytes} bytes`);
  return bytes === 0 ? '' : (yield { read: bytes }).toString('utf8');
}
