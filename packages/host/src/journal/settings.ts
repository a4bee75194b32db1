import { z } from 'zod';
import type { HostDatabase } from './database.ts';

/** What an operator told the host, kept over restarts. */
export interface Settings {
  get(name: string): string | null;
  set(name: string, value: string): void;
}

export function createSettings(database: HostDatabase): Settings {
  const select = database.prepare('SELECT value FROM settings WHERE name = ?');
  const upsert = database.prepare(
    'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  );
  return {
    get: (name) => z.object({ value: z.string() }).optional().parse(select.get(name))?.value ?? null,
    set: (name, value) => {
      upsert.run(name, value);
    },
  };
}
