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

/** More texts than we have; those with a list of values have one for each length of it. */
const MAX_STATEMENTS = 500;

function openSqlite(file: string): SqliteDatabase {
  return named(file, () => {
    const database = new Sqlite(file);
    // To prepare a statement takes longer than to run it.
    const prepared = new Map<string, SqliteStatement>();
    database.pragma('journal_mode = WAL');
    // Record before effect: a commit must outlive a power cut.
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.pragma('busy_timeout = 5000');
    return {
      close: () => {
        prepared.clear();
        database.close();
      },
      prepare: (text) => {
        const known = prepared.get(text);
        if (known !== undefined) return known;
        if (prepared.size >= MAX_STATEMENTS) prepared.clear();
        const statement = named(file, () => wrapStatement(file, database, database.prepare(text)));
        prepared.set(text, statement);
        return statement;
      },
    };
  });
}

function wrapStatement(
  file: string,
  database: Sqlite.Database,
  statement: Sqlite.Statement,
): SqliteStatement {
  return {
    reader: statement.reader,
    all: (parameters) => named(file, () => statement.all(parameters)),
    run: (parameters) => named(file, () => statement.run(parameters)),
    // It is busy until its reader is done: nobody else may be given the same one.
    iterate: (parameters) => named(file, () => database.prepare(statement.source).iterate(parameters)),
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
