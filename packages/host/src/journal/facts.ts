import { z } from 'zod';
import type { HostDatabase } from './database.ts';

/** Measured facts of the machine that are dear to find out again. */
export interface Facts {
  get<T extends z.ZodType>(name: string, schema: T): z.infer<T> | null;
  put(name: string, value: unknown): void;
}

export function createFacts(database: HostDatabase): Facts {
  const select = database.prepare('SELECT value FROM facts WHERE name = ?');
  const upsert = database.prepare(
    'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  );
  return {
    get: (name, schema) => {
      const row = z.object({ value: z.string() }).optional().parse(select.get(name));
      return row === undefined ? null : (schema.safeParse(JSON.parse(row.value)).data ?? null);
    },
    put: (name, value) => {
      upsert.run(name, JSON.stringify(value));
    },
  };
}
