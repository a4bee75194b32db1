import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';

export type HostDatabase = Database.Database;

/**
 * The host's journal: what was decided is written here before its effect. Small local writes, each durable when the
 * call returns; that is why they may be synchronous.
 */
export function openHostDatabase(path: string): HostDatabase {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('busy_timeout = 2000');
  database.exec(`
    CREATE TABLE IF NOT EXISTS vms (
      id TEXT PRIMARY KEY,
      record TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS addresses (
      vm_id TEXT PRIMARY KEY,
      row TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS settings (
      name TEXT PRIMARY KEY,
      value TEXT NOT NULL
    ) STRICT;
  `);
  return database;
}
