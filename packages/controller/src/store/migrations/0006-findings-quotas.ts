import type { Kysely } from 'kysely';

/** What `why` found of a VM (JSON), and what a person may have where that isn't the default. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('vms').addColumn('finding', 'text').execute();
  await db.schema
    .createTable('quotas')
    .addColumn('user_id', 'text', (column) => column.primaryKey().references('users.id'))
    .addColumn('quota', 'text', (column) => column.notNull())
    .execute();
}
