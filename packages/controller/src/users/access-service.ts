import {
  HearthError,
  makeId,
  tokenIdSchema,
  userIdSchema,
  type CreateSession,
  type CreateToken,
  type Role,
  type Token,
  type TokenId,
  type UserId,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import { ADMIN_NAME, type Identity } from '../domain/users/identity.ts';
import { DAY_MS, isExpired, later, SESSION_MS, SIGNIN_LINK_MS } from '../domain/users/lifetimes.ts';
import type { UserRecord, UserStore } from '../store/users.ts';
import { actingFor } from './acting-for.ts';
import { hashSecret, makeSecret, TOKEN_PREFIX } from './secrets.ts';

/** `lastUsedAt` is that exact; a write for every call would be waste. */
const LAST_USED_STEP_MS = 60_000;

/** A signed-in browser. */
export interface Session {
  user: UserRecord;
  /** The cookie's value. */
  session: string;
  maxAgeSeconds: number;
}

export interface AccessService {
  /** Throws unauthenticated. */
  byToken(token: string): Promise<Identity>;
  /** null where the session is unknown or over. */
  bySession(session: string): Promise<Identity | null>;
  createToken(request: CreateToken): Promise<Token & { token: string }>;
  listTokens(): Promise<Token[]>;
  revokeToken(id: TokenId): Promise<void>;
  createSigninLink(identity: Identity): Promise<{ code: string; expiresAt: string }>;
  /** Signs a browser in by a token or the code of a link, which is spent. Throws unauthenticated. */
  signIn(proof: CreateSession): Promise<Session>;
  /** Ends a browser's sign-in; one that is over already stays so. */
  signOut(session: string): Promise<void>;
  /** Whose thing a call is about, see acting-for.ts. Throws forbidden and bad_request. */
  actingFor(identity: Identity, wanted: UserId | undefined): Promise<UserId>;
  /** Makes the machine's own token (bootstrap.ts) the administrator's. */
  ensureAdmin(token: string | null): Promise<void>;
}

export function createAccessService(users: UserStore, { now, randomBytes }: World): AccessService {
  const ensureUser = async (name: string, role: Role): Promise<UserRecord> =>
    users.ensure({
      id: userIdSchema.parse(makeId('usr', randomBytes)),
      name,
      role,
      createdAt: now().toISOString(),
    });
  const newTokenId = (): TokenId => tokenIdSchema.parse(makeId('tok', randomBytes));

  const ownerOf = async (token: string): Promise<UserRecord> => {
    const found = await users.findToken(hashSecret(token));
    if (found === null) throw new HearthError('unauthenticated', 'the token is not known or was revoked');
    const at = now();
    if (isExpired(found.expiresAt, at))
      throw new HearthError('unauthenticated', `the token expired at ${found.expiresAt ?? ''}`);
    if (found.lastUsedAt === null || at.getTime() - Date.parse(found.lastUsedAt) > LAST_USED_STEP_MS)
      await users.markTokenUsed(found.tokenId, at.toISOString());
    return found.user;
  };
  const spendLink = async (code: string): Promise<UserRecord> => {
    const userId = await users.spendSigninLink(hashSecret(code), now().toISOString());
    const user = userId === null ? null : await users.get(userId);
    if (user === null)
      throw new HearthError('unauthenticated', 'the link was used already, or it is older than 15 minutes', {
        hint: '`hearth link` prints a new one.',
      });
    return user;
  };

  return {
    byToken: async (token) => asIdentity(await ownerOf(token), 'token'),
    bySession: async (session) => {
      const user = await users.findSession(hashSecret(session), now().toISOString());
      return user === null ? null : asIdentity(user, 'cookie');
    },
    createToken: async ({ role, user: name, expiresInDays }) => {
      const user = await ensureUser(name ?? `user-${makeId('usr', randomBytes).slice(-8)}`, role);
      if (user.role !== role)
        throw new HearthError('conflict', `the user ${user.name} has the role ${user.role}, not ${role}`, {
          hint: `Ask for the role ${user.role}, or name another user.`,
        });
      const token = makeSecret(randomBytes, TOKEN_PREFIX);
      const at = now();
      const view: Token = {
        id: newTokenId(),
        userId: user.id,
        user: user.name,
        role: user.role,
        createdAt: at.toISOString(),
        expiresAt: expiresInDays === undefined ? null : later(at, expiresInDays * DAY_MS),
        lastUsedAt: null,
      };
      await users.addToken({ ...view, hash: hashSecret(token), origin: 'api' });
      return { ...view, token };
    },
    listTokens: () => users.listTokens(),
    revokeToken: async (id) => {
      if (!(await users.revokeToken(id, now().toISOString())))
        throw new HearthError('not_found', `there is no token ${id}`, {
          hint: '`hearth token ls` lists the tokens.',
        });
    },
    createSigninLink: async ({ userId }) => {
      const code = makeSecret(randomBytes);
      const expiresAt = later(now(), SIGNIN_LINK_MS);
      await users.addSigninLink(hashSecret(code), userId, expiresAt);
      return { code, expiresAt };
    },
    signIn: async (proof) => {
      const user = 'token' in proof ? await ownerOf(proof.token) : await spendLink(proof.code);
      const at = now();
      const session = makeSecret(randomBytes);
      await users.addSession(hashSecret(session), user.id, at.toISOString(), later(at, SESSION_MS));
      return { user, session, maxAgeSeconds: SESSION_MS / 1000 };
    },
    signOut: (session) => users.endSession(hashSecret(session)),
    actingFor: (identity, wanted) => actingFor(identity, wanted, users),
    ensureAdmin: async (token) => {
      const admin = await ensureUser(ADMIN_NAME, 'admin');
      if (token === null) return;
      await users.keepFileToken({
        id: newTokenId(),
        userId: admin.id,
        hash: hashSecret(token),
        origin: 'file',
        createdAt: now().toISOString(),
        expiresAt: null,
      });
    },
  };
}

const asIdentity = ({ id, name, role }: UserRecord, via: Identity['via']): Identity => ({
  userId: id,
  name,
  role,
  via,
});
