import { quotaRequestSchema, type Quota, type QuotaRequest, type UserId } from '@hearth/contract';
import type { Transaction } from 'kysely';
import { quotaOver, requireWithin, weightlessStates, type Usage } from '../domain/users/quota.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';

/** A person, what they may have where that isn't the default, and what they have. */
export interface UserUsage {
  id: UserId;
  name: string;
  own: QuotaRequest | null;
  used: Usage;
}

export interface QuotaStore {
  /** null takes the person's own quota back. */
  set(userId: UserId, own: QuotaRequest | null): Promise<void>;
  /** By name. */
  list(): Promise<UserUsage[]>;
}

export function createQuotaStore(db: Database): QuotaStore {
  return {
    set: async (userId, own) => {
      if (own === null) {
        await db.deleteFrom('quotas').where('user_id', '=', userId).execute();
        return;
      }
      const quota = JSON.stringify(own);
      await db
        .insertInto('quotas')
        .values({ user_id: userId, quota })
        .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ quota }))
        .execute();
    },
    list: async () => {
      const users = await db
        .selectFrom('users')
        .leftJoin('quotas', 'quotas.user_id', 'users.id')
        .select(['users.id as id', 'users.name as name', 'quotas.quota as quota'])
        .orderBy('users.name')
        .execute();
      const used = new Map((await usage(db)).map((row) => [row.userId, row]));
      return users.map(({ id, name, quota }) => {
        const { vms, memMiB, cpus } = used.get(id) ?? { vms: 0, memMiB: 0, cpus: 0 };
        return { id, name, own: parse(quota), used: { vms, memMiB, cpus } };
      });
    },
  };
}

/**
 * Throws quota_exceeded where the person would have more than they may. Makes their creations and resumptions wait for each
 * other, so that it holds until the transaction ends (F30).
 */
export async function requireQuota(
  tx: Transaction<Tables>,
  userId: UserId,
  wanted: Usage,
  defaults: Quota,
): Promise<void> {
  const own = await tx.selectFrom('quotas').select('quota').where('user_id', '=', userId).executeTakeFirst();
  const [used] = await usage(tx, userId);
  requireWithin(
    quotaOver(defaults, parse(own?.quota ?? null)),
    used ?? { vms: 0, memMiB: 0, cpus: 0 },
    wanted,
  );
}

/** Touching the person's row makes what is to be counted of them wait for each other in every dialect. */
export async function lockUser(tx: Transaction<Tables>, userId: UserId): Promise<void> {
  await tx
    .updateTable('users')
    .set((builder) => ({ name: builder.ref('name') }))
    .where('id', '=', userId)
    .execute();
}

async function usage(
  db: Database | Transaction<Tables>,
  userId?: UserId,
): Promise<(Usage & { userId: UserId | null })[]> {
  let query = db
    .selectFrom('vms')
    .select((builder) => {
      const awake = (column: 'mem_mib' | 'cpus') =>
        builder.fn.sum(
          builder.case().when('state', 'in', weightlessStates).then(0).else(builder.ref(column)).end(),
        );
      return [
        'user_id as userId',
        builder.fn.countAll().as('vms'),
        awake('mem_mib').as('memMiB'),
        awake('cpus').as('cpus'),
      ];
    })
    .where('state', '!=', 'deleted')
    .groupBy('user_id');
  query = userId === undefined ? query.where('user_id', 'is not', null) : query.where('user_id', '=', userId);
  return (await query.execute()).map((row) => ({
    userId: row.userId,
    vms: Number(row.vms),
    memMiB: Number(row.memMiB),
    cpus: Number(row.cpus),
  }));
}

const parse = (quota: string | null): QuotaRequest | null =>
  quota === null ? null : quotaRequestSchema.parse(JSON.parse(quota));
