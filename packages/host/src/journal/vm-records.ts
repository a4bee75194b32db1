import { geometrySchema, hostVmSchema, type VmId } from '@hearth/contract';
import { z } from 'zod';
import type { HostDatabase } from './database.ts';

/** What the host must know of a VM to take it up again after a restart. Holds no secret: tokens are made anew. */
export const vmRecordSchema = hostVmSchema.extend({
  /** Absent in records of version 0.1.0. */
  desktop: geometrySchema.nullable().default(null),
  requestedAtMs: z.number(),
  requestId: z.string(),
  /** The VMM's process; null before it started and after it is gone. */
  vmm: z.object({ pid: z.number(), startTicks: z.number() }).nullable(),
});
export type VmRecord = z.infer<typeof vmRecordSchema>;

export interface VmRecords {
  load(): VmRecord[];
  put(record: VmRecord): void;
  remove(id: VmId): void;
}

export function createVmRecords(database: HostDatabase): VmRecords {
  const select = database.prepare('SELECT record FROM vms');
  const upsert = database.prepare(
    'INSERT INTO vms (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record',
  );
  const erase = database.prepare('DELETE FROM vms WHERE id = ?');
  return {
    load: () =>
      select
        .all()
        .map((row) => vmRecordSchema.parse(JSON.parse(z.object({ record: z.string() }).parse(row).record))),
    put: (record) => {
      upsert.run(record.id, JSON.stringify(record));
    },
    remove: (id) => {
      erase.run(id);
    },
  };
}
