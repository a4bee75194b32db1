import {
  credentialSchema,
  providerIdSchema,
  runIdSchema,
  type ProviderId,
  type UserId,
  type VmId,
} from '@hearth/contract';
import type { Kysely, Selectable } from 'kysely';
import { z } from 'zod';
import type { CredentialRecord } from '../domain/credentials/credential-record.ts';
import { envelopeSchema, type Envelope } from '../vault/envelope.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';

/** A credential with its secret under lock. */
export interface SealedCredential {
  credential: CredentialRecord;
  /** null: it is removed. */
  envelope: Envelope | null;
}

export interface CredentialStore {
  get(userId: UserId, provider: ProviderId): Promise<SealedCredential | null>;
  /** All of a person, removed ones included. */
  list(userId: UserId): Promise<CredentialRecord[]>;
  ownedBy(vmId: VmId): Promise<CredentialRecord[]>;
  /** Metadata alone; compare-and-set: false where it moved on since `expectedRevision`. */
  update(credential: CredentialRecord, expectedRevision: number): Promise<boolean>;
  /** Metadata and secret; a removed one has no secret. The same compare-and-set; -1: it is new. */
  write(sealed: SealedCredential, expectedRevision: number): Promise<boolean>;
  /** Key ids that envelopes name, each once. */
  keyIds(): Promise<string[]>;
  /** Puts another envelope in place of every one, all or none; gives how many. Throws what `reseal` throws. */
  reseal(
    reseal: (sealed: { credential: CredentialRecord; envelope: Envelope }) => Envelope | null,
  ): Promise<number>;
}

type Row = Selectable<Tables['credentials']>;

export function createCredentialStore(db: Database): CredentialStore {
  return {
    get: (userId, provider) => getCredential(db, userId, provider),
    list: async (userId) =>
      (
        await db
          .selectFrom('credentials')
          .selectAll()
          .where('user_id', '=', userId)
          .orderBy('provider')
          .execute()
      ).map(toRecord),
    ownedBy: async (vmId) =>
      (await db.selectFrom('credentials').selectAll().where('owner_vm_id', '=', vmId).execute()).map(
        toRecord,
      ),
    update: async (credential, expectedRevision) => {
      const { numUpdatedRows } = await db
        .updateTable('credentials')
        .set(metadata(credential))
        .where('id', '=', credential.id)
        .where('revision', '=', expectedRevision)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    write: (sealed, expectedRevision) => writeCredential(db, sealed, expectedRevision),
    keyIds: async () => {
      const rows = await db
        .selectFrom('credentials')
        .select('key_id')
        .distinct()
        .where('key_id', 'is not', null)
        .execute();
      return rows.flatMap(({ key_id: keyId }) => keyId ?? []);
    },
    reseal: (reseal) =>
      db.transaction().execute(async (tx) => {
        let count = 0;
        for (const row of await tx.selectFrom('credentials').selectAll().execute()) {
          const { credential, envelope } = toSealed(row);
          const next = envelope === null ? null : reseal({ credential, envelope });
          if (next === null) continue;
          await tx.updateTable('credentials').set(secret(next)).where('id', '=', credential.id).execute();
          count += 1;
        }
        return count;
      }),
  };
}

/** Also inside a transaction. */
export async function getCredential(
  db: Kysely<Tables>,
  userId: UserId,
  provider: ProviderId,
): Promise<SealedCredential | null> {
  const row = await db
    .selectFrom('credentials')
    .selectAll()
    .where('user_id', '=', userId)
    .where('provider', '=', provider)
    .executeTakeFirst();
  return row === undefined ? null : toSealed(row);
}

/** Also inside a transaction, with what must be durable together with it. */
export async function writeCredential(
  db: Kysely<Tables>,
  { credential, envelope }: SealedCredential,
  expectedRevision: number,
): Promise<boolean> {
  const row = { ...metadata(credential), ...secret(envelope) };
  if (expectedRevision === -1) {
    const { numInsertedOrUpdatedRows } = await db
      .insertInto('credentials')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return numInsertedOrUpdatedRows === 1n;
  }
  const { numUpdatedRows } = await db
    .updateTable('credentials')
    .set(row)
    .where('id', '=', credential.id)
    .where('revision', '=', expectedRevision)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

const secret = (envelope: Envelope | null): Pick<Row, 'key_id' | 'envelope'> => ({
  key_id: envelope?.keyId ?? null,
  envelope: envelope === null ? null : JSON.stringify(envelope),
});

function metadata(credential: CredentialRecord): Omit<Row, 'key_id' | 'envelope'> {
  return {
    id: credential.id,
    user_id: credential.userId,
    provider: credential.provider,
    kind: credential.kind,
    state: credential.state,
    revision: credential.revision,
    version: credential.version,
    account: credential.account,
    created_at: credential.createdAt,
    updated_at: credential.updatedAt,
    refreshed_at: credential.refreshedAt,
    expires_at: credential.expiresAt,
    last_used_at: credential.lastUsedAt,
    refusals: credential.refusals,
    outcomes: JSON.stringify(credential.outcomes),
    owner_vm_id: credential.ownerVmId,
    versions: JSON.stringify(credential.versions),
  };
}

const outcomesSchema = z.array(z.object({ runId: runIdSchema, refused: z.boolean() }));
const recordSchema = credentialSchema.omit({ refusalRate: true });

function toRecord(row: Row): CredentialRecord {
  const credential = recordSchema.parse({
    id: row.id,
    userId: row.user_id,
    provider: providerIdSchema.parse(row.provider),
    kind: row.kind,
    state: row.state,
    version: row.version,
    account: row.account,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    refreshedAt: row.refreshed_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    refusals: row.refusals,
    ownerVmId: row.owner_vm_id,
    versions: JSON.parse(row.versions) as unknown,
  });
  return { ...credential, revision: row.revision, outcomes: outcomesSchema.parse(JSON.parse(row.outcomes)) };
}

const toSealed = (row: Row): SealedCredential => ({
  credential: toRecord(row),
  envelope: row.envelope === null ? null : envelopeSchema.parse(JSON.parse(row.envelope)),
});
