import type { Role, UserId } from '@hearth/contract';

/** Who makes a call, proven by a token or a signed-in browser. */
export interface Identity {
  userId: UserId;
  name: string;
  role: Role;
  /** A browser sends its cookie by itself, so what it changes needs proof that our own page asked. */
  via: 'token' | 'cookie';
}

/** The name of the user that owns the machine's own command line. */
export const ADMIN_NAME = 'admin';

export const maySee = (identity: Identity, ownerId: UserId): boolean =>
  identity.role === 'admin' || identity.userId === ownerId;
