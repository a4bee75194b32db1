import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** Measured facts of this machine that are dear to find out again; all its Hearths share them. */
export interface MachineFacts {
  get: <T extends z.ZodType>(name: string, schema: T) => Promise<z.infer<T> | null>;
  put: (name: string, value: unknown) => Promise<void>;
}

const fileSchema = z.record(z.string(), z.unknown());

/** @param folder where the file `machine-facts.json` lies: beside the images, which every Hearth of the machine uses */
export function createFacts(folder: string): MachineFacts {
  const path = join(folder, 'machine-facts.json');
  // An unreadable file costs only a measurement.
  const read = async (): Promise<Record<string, unknown>> =>
    fileSchema.catch({}).parse(
      await readFile(path, 'utf8')
        .then(JSON.parse)
        .catch(() => ({})),
    );
  return {
    get: async (name, schema) => schema.safeParse((await read())[name]).data ?? null,
    put: async (name, value) => {
      const temporary = `${path}.${process.pid}`;
      await writeFile(temporary, JSON.stringify({ ...(await read()), [name]: value }, null, 2));
      await rename(temporary, path);
    },
  };
}
