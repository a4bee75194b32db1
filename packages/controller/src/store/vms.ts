import {
  failureSchema,
  geometrySchema,
  timelineSchema,
  vmSchema,
  type UserId,
  type VmId,
  type VmState,
} from '@hearth/contract';
import type { Selectable } from 'kysely';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';

/** The key under which a creation may be repeated without making a second VM. */
export interface IdempotencyKey {
  key: string;
  requestHash: string;
}

export type Insertion =
  | { outcome: 'inserted' }
  /** The user has as many VMs as allowed. */
  | { outcome: 'quota' }
  /** The key is taken: by this request where the hashes agree. */
  | { outcome: 'repeated'; vmId: VmId; requestHash: string };

export interface VmStore {
  /** Adds a VM if the quota allows and its key is new: one transaction, so that of two equal calls one wins. */
  insert(
    vm: VmRecord,
    limit: number,
    key: IdempotencyKey | null,
    forgetKeysBefore: string,
  ): Promise<Insertion>;
  findKey(userId: UserId, key: string, since: string): Promise<{ vmId: VmId; requestHash: string } | null>;
  get(id: VmId): Promise<VmRecord | null>;
  /** Newest first. */
  list(filter: { userId?: UserId; states?: readonly VmState[] }): Promise<VmRecord[]>;
  /** Compare-and-set: false where the VM moved on since `expectedVersion`. */
  update(vm: VmRecord, expectedVersion: number): Promise<boolean>;
  /** Takes a VM back that never reached the host, its key with it; false where it moved on. */
  discard(vm: VmRecord): Promise<boolean>;
  /** Forgets VMs that were deleted before that time; gives their ids. */
  forgetDeleted(before: string): Promise<VmId[]>;
  forgetKeys(before: string): Promise<void>;
}

type Row = Selectable<Tables['vms']>;

export function createVmStore(db: Database): VmStore {
  return {
    insert: (vm, limit, key, forgetKeysBefore) =>
      db.transaction().execute(async (tx): Promise<Insertion> => {
        // Touching the user's row makes creations of one user wait for each other in every dialect.
        await tx
          .updateTable('users')
          .set((builder) => ({ name: builder.ref('name') }))
          .where('id', '=', vm.userId)
          .execute();
        if (key !== null) {
          await tx
            .deleteFrom('idempotency_keys')
            .where('user_id', '=', vm.userId)
            .where('created_at', '<', forgetKeysBefore)
            .execute();
          const taken = await tx
            .selectFrom('idempotency_keys')
            .select(['vm_id', 'request_hash'])
            .where('user_id', '=', vm.userId)
            .where('key', '=', key.key)
            .executeTakeFirst();
          if (taken !== undefined)
            return { outcome: 'repeated', vmId: taken.vm_id, requestHash: taken.request_hash };
        }
        const { count } = await tx
          .selectFrom('vms')
          .select((builder) => builder.fn.countAll().as('count'))
          .where('user_id', '=', vm.userId)
          .where('state', '!=', 'deleted')
          .executeTakeFirstOrThrow();
        if (Number(count) >= limit) return { outcome: 'quota' };
        await tx.insertInto('vms').values(toRow(vm)).execute();
        if (key !== null)
          await tx
            .insertInto('idempotency_keys')
            .values({
              user_id: vm.userId,
              key: key.key,
              request_hash: key.requestHash,
              vm_id: vm.id,
              created_at: vm.createdAt,
            })
            .execute();
        return { outcome: 'inserted' };
      }),
    findKey: async (userId, key, since) => {
      const row = await db
        .selectFrom('idempotency_keys')
        .select(['vm_id', 'request_hash'])
        .where('user_id', '=', userId)
        .where('key', '=', key)
        .where('created_at', '>=', since)
        .executeTakeFirst();
      return row === undefined ? null : { vmId: row.vm_id, requestHash: row.request_hash };
    },
    get: async (id) => {
      const row = await db.selectFrom('vms').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : toRecord(row);
    },
    list: async ({ userId, states }) => {
      let query = db.selectFrom('vms').selectAll().orderBy('created_at', 'desc').orderBy('id');
      if (userId !== undefined) query = query.where('user_id', '=', userId);
      if (states !== undefined) query = query.where('state', 'in', states);
      return (await query.execute()).map(toRecord);
    },
    update: async (vm, expectedVersion) => {
      const { numUpdatedRows } = await db
        .updateTable('vms')
        .set(toRow(vm))
        .where('id', '=', vm.id)
        .where('version', '=', expectedVersion)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    discard: (vm) =>
      db.transaction().execute(async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom('vms')
          .where('id', '=', vm.id)
          .where('version', '=', vm.version)
          .where('state', '=', 'requested')
          .executeTakeFirst();
        return numDeletedRows === 1n;
      }),
    forgetDeleted: async (before) => {
      const rows = await db
        .deleteFrom('vms')
        .where('state', '=', 'deleted')
        .where('deleted_at', '<', before)
        .returning('id')
        .execute();
      return rows.map(({ id }) => id);
    },
    forgetKeys: async (before) => {
      await db.deleteFrom('idempotency_keys').where('created_at', '<', before).execute();
    },
  };
}

function toRow(vm: VmRecord): Row {
  return {
    id: vm.id,
    user_id: vm.userId,
    kind: vm.kind,
    state: vm.state,
    version: vm.version,
    cpus: vm.cpus,
    mem_mib: vm.memMiB,
    disk_mib: vm.diskMiB,
    desktop: vm.desktop === null ? null : JSON.stringify(vm.desktop),
    ip: vm.ip,
    image_id: vm.imageId,
    created_at: vm.createdAt,
    ready_at: vm.readyAt,
    deleted_at: vm.deletedAt,
    timeline: JSON.stringify(vm.timeline),
    failure: vm.failure === null ? null : JSON.stringify(vm.failure),
    request_id: vm.requestId,
  };
}

function toRecord(row: Row): VmRecord {
  const vm = vmSchema.parse({
    id: row.id,
    userId: row.user_id,
    kind: row.kind,
    state: row.state,
    version: row.version,
    cpus: row.cpus,
    memMiB: row.mem_mib,
    diskMiB: row.disk_mib,
    desktop: row.desktop === null ? null : geometrySchema.parse(JSON.parse(row.desktop)),
    ip: row.ip,
    imageId: row.image_id,
    createdAt: row.created_at,
    readyAt: row.ready_at,
    deletedAt: row.deleted_at,
    timeline: timelineSchema.parse(JSON.parse(row.timeline)),
    failure: row.failure === null ? null : failureSchema.parse(JSON.parse(row.failure)),
  });
  return { ...vm, requestId: row.request_id };
}
