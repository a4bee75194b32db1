import { HearthError } from '@hearth/contract';
import Sqlite from 'better-sqlite3';
import { Kysely, sql, SqliteDialect, type SqliteDatabase, type SqliteStatement } from 'kysely';
import { Migrator } from 'kysely/migration';
import { migrations } from './migrations/index.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;

/** Opens the database and brings its tables up to date. `:memory:` keeps nothing. */
export async function openDatabase(file: string): Promise<Database> {
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: openSqlite(file) }) });
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
  }).migrateToLatest();
  if (error === undefined) return db;
  await db.destroy();
  throw asStoreError(error, file);
}

/** Does the database answer? Throws HearthError database_failed where it doesn't. */
export async function pingDatabase(db: Database): Promise<void> {
  await sql`select 1`.execute(db);
}

function openSqlite(file: string): SqliteDatabase {
  return named(file, () => {
    const database = new Sqlite(file);
    database.pragma('journal_mode = WAL');
    // Record before effect: a commit must outlive a power cut.
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.pragma('busy_timeout = 5000');
    return {
      close: () => {
        database.close();
      },
      prepare: (text) => named(file, () => wrapStatement(file, database.prepare(text))),
    };
  });
}

function wrapStatement(file: string, statement: Sqlite.Statement): SqliteStatement {
  return {
    reader: statement.reader,
    all: (parameters) => named(file, () => statement.all(parameters)),
    run: (parameters) => named(file, () => statement.run(parameters)),
    iterate: (parameters) => named(file, () => statement.iterate(parameters)),
  };
}

function named<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw asStoreError(error, file);
  }
}

function asStoreError(error: unknown, file: string): HearthError {
  if (error instanceof HearthError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  const full = error instanceof Sqlite.SqliteError && error.code === 'SQLITE_FULL';
  return new HearthError(full ? 'disk_full' : 'database_failed', `${file}: ${detail}`, { cause: error });
}
