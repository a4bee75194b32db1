import type { Role, Token, TokenId, UserId } from '@hearth/contract';
import type { Database } from './database.ts';

export interface UserRecord {
  id: UserId;
  name: string;
  role: Role;
  createdAt: string;
}

export interface NewToken {
  id: TokenId;
  userId: UserId;
  hash: string;
  origin: 'api' | 'file';
  createdAt: string;
  expiresAt: string | null;
}

/** Whose secret it is, and whether it still counts. */
export interface FoundToken {
  tokenId: TokenId;
  user: UserRecord;
  expiresAt: string | null;
  lastUsedAt: string | null;
}

export interface UserStore {
  get(id: UserId): Promise<UserRecord | null>;
  /** The user of that name; made where it is new. */
  ensure(user: UserRecord): Promise<UserRecord>;
  addToken(token: NewToken): Promise<void>;
  /** Makes `token` the only one of origin `file`, valid even if it was revoked. */
  keepFileToken(token: NewToken): Promise<void>;
  listTokens(): Promise<Token[]>;
  /** false where there is no such token, or it was revoked. */
  revokeToken(id: TokenId, at: string): Promise<boolean>;
  findToken(hash: string): Promise<FoundToken | null>;
  markTokenUsed(id: TokenId, at: string): Promise<void>;
  addSigninLink(hash: string, userId: UserId, expiresAt: string): Promise<void>;
  /** Spends a link once: the user whose it is, or null where it is unknown, spent or expired. */
  spendSigninLink(hash: string, at: string): Promise<UserId | null>;
  addSession(hash: string, userId: UserId, createdAt: string, expiresAt: string): Promise<void>;
  findSession(hash: string, at: string): Promise<UserRecord | null>;
  endSession(hash: string): Promise<void>;
  forgetExpired(before: string): Promise<void>;
}

const userColumns = [
  'users.id as id',
  'users.name as name',
  'users.role as role',
  'users.created_at as createdAt',
] as const;

export function createUserStore(db: Database): UserStore {
  return {
    get: async (id) =>
      (await db.selectFrom('users').select(userColumns).where('id', '=', id).executeTakeFirst()) ?? null,
    ensure: async ({ id, name, role, createdAt }) => {
      await db
        .insertInto('users')
        .values({ id, name, role, created_at: createdAt })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .execute();
      return db.selectFrom('users').select(userColumns).where('name', '=', name).executeTakeFirstOrThrow();
    },
    addToken: async (token) => {
      await db.insertInto('tokens').values(tokenRow(token)).execute();
    },
    keepFileToken: (token) =>
      db.transaction().execute(async (tx) => {
        await tx
          .updateTable('tokens')
          .set({ revoked_at: token.createdAt })
          .where('origin', '=', 'file')
          .where('hash', '!=', token.hash)
          .where('revoked_at', 'is', null)
          .execute();
        await tx
          .insertInto('tokens')
          .values(tokenRow(token))
          .onConflict((conflict) =>
            conflict
              .column('hash')
              .doUpdateSet({ revoked_at: null, expires_at: null, user_id: token.userId, origin: 'file' }),
          )
          .execute();
      }),
    listTokens: () =>
      db
        .selectFrom('tokens')
        .innerJoin('users', 'users.id', 'tokens.user_id')
        .select([
          'tokens.id as id',
          'tokens.user_id as userId',
          'users.name as user',
          'users.role as role',
          'tokens.created_at as createdAt',
          'tokens.expires_at as expiresAt',
          'tokens.last_used_at as lastUsedAt',
        ])
        .where('tokens.revoked_at', 'is', null)
        .orderBy('tokens.created_at', 'desc')
        .orderBy('tokens.id')
        .execute(),
    revokeToken: async (id, at) => {
      const { numUpdatedRows } = await db
        .updateTable('tokens')
        .set({ revoked_at: at })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    findToken: async (hash) => {
      const row = await db
        .selectFrom('tokens')
        .innerJoin('users', 'users.id', 'tokens.user_id')
        .select([
          ...userColumns,
          'tokens.id as tokenId',
          'tokens.expires_at as expiresAt',
          'tokens.last_used_at as lastUsedAt',
        ])
        .where('tokens.hash', '=', hash)
        .where('tokens.revoked_at', 'is', null)
        .executeTakeFirst();
      if (row === undefined) return null;
      const { tokenId, expiresAt, lastUsedAt, ...user } = row;
      return { tokenId, expiresAt, lastUsedAt, user };
    },
    markTokenUsed: async (id, at) => {
      await db.updateTable('tokens').set({ last_used_at: at }).where('id', '=', id).execute();
    },
    addSigninLink: async (hash, userId, expiresAt) => {
      await db
        .insertInto('signin_links')
        .values({ hash, user_id: userId, expires_at: expiresAt, spent_at: null })
        .execute();
    },
    spendSigninLink: async (hash, at) => {
      const row = await db
        .updateTable('signin_links')
        .set({ spent_at: at })
        .where('hash', '=', hash)
        .where('spent_at', 'is', null)
        .where('expires_at', '>', at)
        .returning('user_id')
        .executeTakeFirst();
      return row?.user_id ?? null;
    },
    addSession: async (hash, userId, createdAt, expiresAt) => {
      await db
        .insertInto('sessions')
        .values({ hash, user_id: userId, created_at: createdAt, expires_at: expiresAt })
        .execute();
    },
    findSession: async (hash, at) =>
      (await db
        .selectFrom('sessions')
        .innerJoin('users', 'users.id', 'sessions.user_id')
        .select(userColumns)
        .where('sessions.hash', '=', hash)
        .where('sessions.expires_at', '>', at)
        .executeTakeFirst()) ?? null,
    endSession: async (hash) => {
      await db.deleteFrom('sessions').where('hash', '=', hash).execute();
    },
    forgetExpired: async (before) => {
      await db.deleteFrom('sessions').where('expires_at', '<', before).execute();
      await db.deleteFrom('signin_links').where('expires_at', '<', before).execute();
    },
  };
}

function tokenRow({ id, userId, hash, origin, createdAt, expiresAt }: NewToken) {
  return {
    id,
    user_id: userId,
    hash,
    origin,
    created_at: createdAt,
    expires_at: expiresAt,
    last_used_at: null,
    revoked_at: null,
  };
}
