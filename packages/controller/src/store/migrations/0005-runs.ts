import type { Kysely } from 'kysely';

/** Runs, what they said and changed, what queued ones still have to be given, and which CLI VM is whose home. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('runs')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('provider', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('prompt', 'text', (column) => column.notNull())
    .addColumn('session_id', 'text')
    .addColumn('continues', 'text')
    .addColumn('model', 'text')
    .addColumn('cwd', 'text', (column) => column.notNull())
    .addColumn('wanted_vm_id', 'text')
    .addColumn('vm_id', 'text')
    .addColumn('timeout_ms', 'integer', (column) => column.notNull())
    .addColumn('exit_code', 'integer')
    .addColumn('ended_by', 'text')
    .addColumn('failure', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('started_at', 'text')
    .addColumn('ended_at', 'text')
    .addColumn('usage', 'text')
    .addColumn('events', 'integer', (column) => column.notNull())
    .addColumn('changes', 'text')
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('cancel_wanted', 'integer', (column) => column.notNull())
    .addColumn('guest_seq', 'integer', (column) => column.notNull())
    .addColumn('in_guest', 'integer', (column) => column.notNull())
    .addColumn('needs_login', 'text')
    .addColumn('tool_error', 'text')
    .addColumn('stderr_tail', 'text', (column) => column.notNull())
    .addColumn('idempotency_key', 'text')
    .addColumn('request_hash', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('runs_by_user').on('runs').columns(['user_id', 'created_at']).execute();
  await db.schema.createIndex('runs_by_state').on('runs').column('state').execute();
  await db.schema
    .createIndex('runs_by_key')
    .unique()
    .on('runs')
    .columns(['user_id', 'idempotency_key'])
    .execute();
  await db.schema
    .createTable('run_orders')
    .addColumn('run_id', 'text', (column) => column.primaryKey().references('runs.id').onDelete('cascade'))
    .addColumn('body', 'text', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('run_events')
    .addColumn('run_id', 'text', (column) => column.notNull().references('runs.id').onDelete('cascade'))
    .addColumn('seq', 'integer', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('bytes', 'integer', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('run_events_by_run', ['run_id', 'seq'])
    .execute();
  await db.schema
    .createTable('run_changes')
    .addColumn('run_id', 'text', (column) => column.primaryKey().references('runs.id').onDelete('cascade'))
    .addColumn('body', 'text', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('cli_vms')
    .addColumn('user_id', 'text', (column) => column.primaryKey().references('users.id'))
    .addColumn('vm_id', 'text', (column) => column.notNull().references('vms.id').onDelete('cascade'))
    .execute();
}
