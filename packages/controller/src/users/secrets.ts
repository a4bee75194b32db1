import { createHash } from 'node:crypto';

/** Marks our tokens, so that scanners for leaked secrets can know them. */
export const TOKEN_PREFIX = 'hth_';

/** 256 random bits behind a prefix. */
export const makeSecret = (randomBytes: (size: number) => Uint8Array, prefix = ''): string =>
  prefix + Buffer.from(randomBytes(32)).toString('base64url');

/**
 * What is kept of a token, link or session. A plain hash is enough: 256 random bits can't be guessed from it,
 * unlike a password.
 */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');
