import { failureSchema, signinSchema, type ProviderId, type SigninId, type UserId } from '@hearth/contract';
import type { Kysely, Selectable } from 'kysely';
import type { SigninRecord } from '../domain/signins/signin-record.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';

export interface SigninStore {
  /** Adds it unless one of that person for that provider is under way: gives that one then, else null. */
  insert(signin: SigninRecord): Promise<SigninRecord | null>;
  get(id: SigninId): Promise<SigninRecord | null>;
  /** Newest first. */
  list(filter: { userId?: UserId }): Promise<SigninRecord[]>;
  /** Those that work is left of: under way, or ended and not swept. */
  open(): Promise<SigninRecord[]>;
  underWay(userId: UserId, provider: ProviderId): Promise<SigninRecord | null>;
  /** Compare-and-set: false where it moved on since `expectedVersion`. */
  update(signin: SigninRecord, expectedVersion: number): Promise<boolean>;
  /** Forgets what ended before that time (F25) and has nothing left to be deleted. */
  forgetEnded(before: string): Promise<SigninId[]>;
}

type Row = Selectable<Tables['signins']>;

export function createSigninStore(db: Database): SigninStore {
  const underWay: SigninStore['underWay'] = async (userId, provider) => {
    const row = await db
      .selectFrom('signins')
      .selectAll()
      .where('user_id', '=', userId)
      .where('provider', '=', provider)
      .where('ended_at', 'is', null)
      .executeTakeFirst();
    return row === undefined ? null : toRecord(row);
  };
  return {
    insert: async (signin) => {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('signins')
        .values(toRow(signin))
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return numInsertedOrUpdatedRows === 1n ? null : underWay(signin.userId, signin.provider);
    },
    get: async (id) => {
      const row = await db.selectFrom('signins').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : toRecord(row);
    },
    list: async ({ userId }) => {
      let query = db.selectFrom('signins').selectAll().orderBy('created_at', 'desc').orderBy('id');
      if (userId !== undefined) query = query.where('user_id', '=', userId);
      return (await query.execute()).map(toRecord);
    },
    open: async () =>
      (
        await db
          .selectFrom('signins')
          .selectAll()
          .where((is) => is.or([is('ended_at', 'is', null), is('swept', '=', 0)]))
          .execute()
      ).map(toRecord),
    underWay,
    update: (signin, expectedVersion) => updateSignin(db, signin, expectedVersion),
    forgetEnded: async (before) => {
      const rows = await db
        .deleteFrom('signins')
        .where('ended_at', '<', before)
        .where('swept', '=', 1)
        .returning('id')
        .execute();
      return rows.map(({ id }) => id);
    },
  };
}

/** Also inside a transaction, with what must be durable together with it. */
export async function updateSignin(
  db: Kysely<Tables>,
  signin: SigninRecord,
  expectedVersion: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('signins')
    .set(toRow(signin))
    .where('id', '=', signin.sessionId)
    .where('version', '=', expectedVersion)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

function toRow(signin: SigninRecord): Row {
  return {
    id: signin.sessionId,
    user_id: signin.userId,
    provider: signin.provider,
    method: signin.method,
    state: signin.state,
    version: signin.version,
    vm_id: signin.vmId,
    browser_ip: signin.browserIP,
    oauth_url: signin.oauthUrl,
    user_code: signin.userCode,
    wants_code: signin.wantsCode ? 1 : 0,
    code_refused: signin.codeRefused,
    words: signin.words,
    account: signin.account,
    failure: signin.failure === null ? null : JSON.stringify(signin.failure),
    created_at: signin.createdAt,
    expires_at: signin.expiresAt,
    ended_at: signin.endedAt,
    timeline: JSON.stringify(signin.timeline),
    request_id: signin.requestId,
    swept: signin.swept ? 1 : 0,
  };
}

const recordSchema = signinSchema.omit({ novncURL: true });

function toRecord(row: Row): SigninRecord {
  const signin = recordSchema.parse({
    sessionId: row.id,
    userId: row.user_id,
    provider: row.provider,
    method: row.method,
    state: row.state,
    version: row.version,
    vmId: row.vm_id,
    browserIP: row.browser_ip,
    oauthUrl: row.oauth_url,
    userCode: row.user_code,
    wantsCode: row.wants_code === 1,
    codeRefused: row.code_refused,
    words: row.words,
    account: row.account,
    failure: row.failure === null ? null : failureSchema.parse(JSON.parse(row.failure)),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
    timeline: JSON.parse(row.timeline) as unknown,
  });
  return { ...signin, requestId: row.request_id, swept: row.swept === 1 };
}
