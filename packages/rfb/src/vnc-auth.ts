import { createCipheriv } from 'node:crypto';

/** VncAuth takes no longer passwords: the rest is cut off. */
const KEY_BYTES = 8;
/** With this key every VNC server scrambles its password file: it hides the password from a glance, not from anybody who reads it. */
const FILE_KEY = Buffer.from([23, 82, 107, 6, 35, 78, 88, 7]);

/** The answer to a server's 16-byte challenge (RFC 6143, 7.2.2). */
export function answerChallenge(password: string, challenge: Uint8Array): Buffer {
  return encrypt(keyOf(password), challenge);
}

/** Content of a password file as TigerVNC reads it: 8 bytes, scrambled with a well-known key. */
export function passwordFile(password: string): Buffer {
  return encrypt(FILE_KEY, keyOf(password));
}

function keyOf(password: string): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  Buffer.from(password, 'latin1').copy(key);
  return key;
}

/** DES in ECB mode with the bits of each key byte reversed, as VNC has it. OpenSSL 3 has no single DES; triple DES with one key is the same. */
function encrypt(key: Buffer, plain: Uint8Array): Buffer {
  const reversed = key.map(reverseBits);
  const cipher = createCipheriv('des-ede3', Buffer.concat([reversed, reversed, reversed]), null);
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

function reverseBits(byte: number): number {
  let reversed = 0;
  for (let bit = 0; bit < 8; bit++) reversed |= ((byte >> bit) & 1) << (7 - bit);
  return reversed;
}
