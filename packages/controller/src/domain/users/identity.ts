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

/** What has no owner yet (a warm VM) is seen by administrators only. */
export const maySee = (identity: Identity, ownerId: UserId | null): boolean =>
  identity.role === 'admin' || identity.userId === ownerId;
