import {
  geometrySchema,
  heldCredentialSchema,
  hostVmSchema,
  snapshotIdSchema,
  snapshotMachineSchema,
  vmOriginSchema,
  type HostVm,
  type VmId,
} from '@hearth/contract';
import { z } from 'zod';
import type { HostDatabase } from './database.ts';

/** What lies in a VM's file `saved.state`. */
const savedMemorySchema = z.object({
  bytes: z.number(),
  sha256: z.string(),
  /** As it was when it was written: where it is so still, the file needs no new hash. */
  fingerprint: z.string(),
  machine: snapshotMachineSchema,
});
export type SavedMemory = z.infer<typeof savedMemorySchema>;

/** What the host must know of a VM to take it up again after a restart. Holds no secret: tokens are made anew. */
export const vmRecordSchema = hostVmSchema.extend({
  /** Absent in records of version 0.1.0. */
  desktop: geometrySchema.nullable().default(null),
  origin: vmOriginSchema.nullable().default(null),
  requestedAtMs: z.number(),
  requestId: z.string(),
  /** Whose turn its starts take. */
  queue: z.string().default(''),
  /** The VMM's process; null before it started and after it is gone. */
  vmm: z.object({ pid: z.number(), startTicks: z.number() }).nullable(),
  /** The golden snapshot that it was cloned from. */
  snapshotId: snapshotIdSchema.nullable().default(null),
  /** The file in which its memory lies; null: memory of the VMM's own. */
  memory: z.object({ path: z.string(), shared: z.boolean() }).nullable().default(null),
  /** Kept over hibernations, when its address is not; null before it has one. */
  machineId: z.string().nullable().default(null),
  credentials: z.array(heldCredentialSchema).default([]),
  /** A credential was in it since it started: its memory must never be written to a disk. */
  heldSecret: z.boolean().default(false),
  /** It was powered off instead of saved: it comes back from its disk alone. */
  poweredOff: z.boolean().default(false),
  /** Its saved memory: there from the end of a hibernation until it runs on from it, once. */
  saved: savedMemorySchema.nullable().default(null),
  /** Its disk outlives a failure: it was hibernated before, is a fork, or is somebody's home. */
  keepsDisk: z.boolean().default(false),
  /** A person may have used it: it can't become a golden snapshot. */
  used: z.boolean().default(false),
});
export type VmRecord = z.infer<typeof vmRecordSchema>;

/** What the host's API shows of it. */
export const viewOf = (record: VmRecord): HostVm => hostVmSchema.parse(record);

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
