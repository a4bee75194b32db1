import type { Kysely } from 'kysely';

/** The size of a VM's screen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('vms').addColumn('desktop', 'text').execute();
}
