import Sqlite from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDatabase } from '../database.ts';
import { createVmStore } from '../vms.ts';
import { migrations } from './index.ts';

const AT = '2026-01-01T00:00:00.000Z';

it('0003 keeps VMs and their keys, their foreign keys and indexes, and lets a VM have no owner', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  const file = join(folder, 'hearth.db');
  const before = new Sqlite(file);
  before.pragma('foreign_keys = ON');
  const old = new Kysely<unknown>({ dialect: new SqliteDialect({ database: before }) });
  const { error } = await new Migrator({
    db: old,
    provider: { getMigrations: async () => migrations },
  }).migrateTo('0002-desktops');
  expect(error).toBeUndefined();
  before.exec(`
    insert into users values ('usr-000000000000', 'ana', 'user', '${AT}');
    insert into vms (id, user_id, kind, state, version, cpus, mem_mib, disk_mib, ip, created_at, timeline, request_id)
      values ('vm-000000000000', 'usr-000000000000', 'cli', 'ready', 7, 1, 2048, 4096, '192.168.100.2', '${AT}',
        '{"startedAt":"${AT}","phases":[]}', 'request-1');
    insert into idempotency_keys values ('usr-000000000000', 'key', 'hash', 'vm-000000000000', '${AT}');`);
  await old.destroy();

  const db = await openDatabase(file);
  const store = createVmStore(db);
  const [vm] = await store.list({});
  expect(vm).toMatchObject({
    id: 'vm-000000000000',
    version: 7,
    ip: '192.168.100.2',
    askedAt: AT,
    start: 'auto',
  });
  expect(vm).toMatchObject({
    origin: null,
    lastUsedAt: null,
    hibernatedAt: null,
    deletesAt: null,
    forkOf: null,
  });
  await db.destroy();

  const after = new Sqlite(file);
  after.pragma('foreign_keys = ON');
  expect(after.pragma('foreign_key_check')).toEqual([]);
  const names = after
    .prepare(`select name from sqlite_master where type = 'index' and tbl_name = 'vms' and sql is not null`)
    .pluck()
    .all();
  expect(names.toSorted()).toEqual(['vms_by_state', 'vms_by_user']);
  expect(() => after.exec(`update vms set user_id = 'usr-nobody'`)).toThrow('FOREIGN KEY');
  after.exec(`update vms set user_id = null`);
  expect(after.prepare('select key from idempotency_keys').pluck().all()).toEqual(['key']);
  after.exec(`delete from vms`);
  expect(after.prepare('select key from idempotency_keys').pluck().all()).toEqual([]);
  after.close();
  await rm(folder, { recursive: true });
});
