import { sql, type Kysely } from 'kysely';

/** Sign-ins, and the vault: its secrets are envelopes (JSON) under the key that `key_id` names. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('signins')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('provider', 'text', (column) => column.notNull())
    .addColumn('method', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('vm_id', 'text')
    .addColumn('browser_ip', 'text')
    .addColumn('oauth_url', 'text')
    .addColumn('user_code', 'text')
    .addColumn('wants_code', 'integer', (column) => column.notNull())
    .addColumn('code_refused', 'text')
    .addColumn('words', 'text', (column) => column.notNull())
    .addColumn('account', 'text')
    .addColumn('failure', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'text', (column) => column.notNull())
    .addColumn('ended_at', 'text')
    .addColumn('timeline', 'text', (column) => column.notNull())
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('swept', 'integer', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('signins_by_user').on('signins').columns(['user_id', 'created_at']).execute();
  // Of one person for one provider, one at a time is under way.
  await db.schema
    .createIndex('signins_under_way')
    .unique()
    .on('signins')
    .columns(['user_id', 'provider'])
    .where(sql.ref('ended_at'), 'is', null)
    .execute();
  await db.schema
    .createTable('credentials')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('provider', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('account', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addColumn('refreshed_at', 'text')
    .addColumn('expires_at', 'text')
    .addColumn('last_used_at', 'text')
    .addColumn('refusals', 'integer', (column) => column.notNull())
    .addColumn('outcomes', 'text', (column) => column.notNull())
    .addColumn('owner_vm_id', 'text')
    .addColumn('versions', 'text', (column) => column.notNull())
    .addColumn('key_id', 'text')
    .addColumn('envelope', 'text')
    .addUniqueConstraint('credentials_by_user', ['user_id', 'provider'])
    .execute();
  await db.schema.createIndex('credentials_by_owner').on('credentials').column('owner_vm_id').execute();
}
