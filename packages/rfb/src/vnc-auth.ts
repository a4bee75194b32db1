/** The answer to a server's 16-byte challenge (RFC 6143, 7.2.2). */
export function answerChallenge(_password: string, _challenge: Uint8Array): Buffer {
  throw new Error('not built yet');
}

/** Content of a password file as TigerVNC reads it: 8 bytes, scrambled with a well-known key. */
export function passwordFile(_password: string): Buffer {
  throw new Error('not built yet');
}
