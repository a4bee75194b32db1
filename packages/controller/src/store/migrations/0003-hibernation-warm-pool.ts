import { sql, type Kysely } from 'kysely';

const columns = [
  ...[
    'id',
    'user_id',
    'kind',
    'state',
    'version',
    'cpus',
    'mem_mib',
    'disk_mib',
    'desktop',
    'ip',
    'image_id',
  ],
  ...['created_at', 'ready_at', 'deleted_at', 'timeline', 'failure', 'request_id'],
];

interface Old {
  vms: Record<string, unknown>;
  vms_next: Record<string, unknown>;
  idempotency_keys: Record<string, unknown>;
  idempotency_keys_next: Record<string, unknown>;
}

/**
 * A VM may have no owner, be hibernated, and be a copy of another one. SQLite can't take NOT NULL off a column, so the
 * table is made anew; the keys, which go with their VMs, are copied first, since dropping the old table would delete them.
 */
export async function up(db: Kysely<Old>): Promise<void> {
  await db.schema
    .createTable('vms_next')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text', (column) => column.references('users.id'))
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('cpus', 'integer', (column) => column.notNull())
    .addColumn('mem_mib', 'integer', (column) => column.notNull())
    .addColumn('disk_mib', 'integer', (column) => column.notNull())
    .addColumn('desktop', 'text')
    .addColumn('ip', 'text')
    .addColumn('image_id', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('ready_at', 'text')
    .addColumn('deleted_at', 'text')
    .addColumn('timeline', 'text', (column) => column.notNull())
    .addColumn('failure', 'text')
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('origin', 'text')
    .addColumn('last_used_at', 'text')
    .addColumn('hibernated_at', 'text')
    .addColumn('deletes_at', 'text')
    .addColumn('start', 'text', (column) => column.notNull().defaultTo('auto'))
    .addColumn('fork_of', 'text')
    .addColumn('asked_at', 'text', (column) => column.notNull())
    .execute();
  await db
    .insertInto('vms_next')
    .columns([...columns, 'asked_at'])
    .expression(db.selectFrom('vms').select(columns).select(sql.ref('created_at').as('asked_at')))
    .execute();

  await db.schema
    .createTable('idempotency_keys_next')
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('request_hash', 'text', (column) => column.notNull())
    .addColumn('vm_id', 'text', (column) => column.notNull().references('vms_next.id').onDelete('cascade'))
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('idempotency_keys_by_user', ['user_id', 'key'])
    .execute();
  const keyColumns = ['user_id', 'key', 'request_hash', 'vm_id', 'created_at'];
  await db
    .insertInto('idempotency_keys_next')
    .columns(keyColumns)
    .expression(db.selectFrom('idempotency_keys').select(keyColumns))
    .execute();

  await db.schema.dropTable('idempotency_keys').execute();
  await db.schema.dropTable('vms').execute();
  await db.schema.alterTable('vms_next').renameTo('vms').execute();
  await db.schema.alterTable('idempotency_keys_next').renameTo('idempotency_keys').execute();
  await db.schema.createIndex('vms_by_user').on('vms').columns(['user_id', 'state']).execute();
  await db.schema.createIndex('vms_by_state').on('vms').column('state').execute();
}
