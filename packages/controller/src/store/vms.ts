import {
  failureSchema,
  findingSchema,
  geometrySchema,
  timelineSchema,
  vmSchema,
  type UserId,
  type VmId,
  type VmState,
} from '@hearth/contract';
import type { Selectable, Transaction } from 'kysely';
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

/** A VM that has an owner. */
export type OwnedVm = VmRecord & { userId: UserId };

/** What a user may have, and what makes a call the same as an earlier one. */
export interface Admission {
  /** VMs that the user may have. */
  limit: number;
  key: IdempotencyKey | null;
  forgetKeysBefore: string;
}

export interface VmFilter {
  userId?: UserId | null;
  states?: readonly VmState[];
  since?: string;
}

export interface VmStore {
  /** Adds a person's VM if the quota allows and its key is new: one transaction, so that of two equal calls one wins. */
  insert(vm: OwnedVm, admission: Admission): Promise<Insertion>;
  /**
   * The same with a warm VM that is there already, `vm` being its next record: `gone` where another call took it before,
   * or it moved on.
   */
  take(vm: OwnedVm, admission: Admission): Promise<Insertion | { outcome: 'gone' }>;
  /** Adds a VM of nobody: no quota, no key. */
  insertWarm(vm: VmRecord): Promise<void>;
  findKey(userId: UserId, key: string, since: string): Promise<{ vmId: VmId; requestHash: string } | null>;
  get(id: VmId): Promise<VmRecord | null>;
  /** Newest first. `userId` null: those that nobody owns; `since`: made, or taken, then or later. */
  list(filter: VmFilter): Promise<VmRecord[]>;
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
    insert: (vm, admission) =>
      db.transaction().execute(async (tx): Promise<Insertion> => {
        const refusal = await admit(tx, vm, admission);
        if (refusal !== null) return refusal;
        await tx.insertInto('vms').values(toRow(vm)).execute();
        await keepKey(tx, vm, admission.key);
        return { outcome: 'inserted' };
      }),
    take: (vm, admission) =>
      db.transaction().execute(async (tx): Promise<Insertion | { outcome: 'gone' }> => {
        const refusal = await admit(tx, vm, admission);
        if (refusal !== null) return refusal;
        const { numUpdatedRows } = await tx
          .updateTable('vms')
          .set(toRow(vm))
          .where('id', '=', vm.id)
          .where('version', '=', vm.version - 1)
          .where('user_id', 'is', null)
          .where('state', '=', 'ready')
          .executeTakeFirst();
        if (numUpdatedRows === 0n) return { outcome: 'gone' };
        await keepKey(tx, vm, admission.key);
        return { outcome: 'inserted' };
      }),
    insertWarm: async (vm) => {
      await db.insertInto('vms').values(toRow(vm)).execute();
    },
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
    list: async ({ userId, states, since }) => {
      let query = db.selectFrom('vms').selectAll().orderBy('created_at', 'desc').orderBy('id');
      if (userId === null) query = query.where('user_id', 'is', null);
      else if (userId !== undefined) query = query.where('user_id', '=', userId);
      if (since !== undefined) query = query.where('created_at', '>=', since);
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

/** Why a user may have no further VM by this call; null where they may. Holds until the transaction ends. */
async function admit(
  tx: Transaction<Tables>,
  { userId }: OwnedVm,
  { limit, key, forgetKeysBefore }: Admission,
): Promise<Exclude<Insertion, { outcome: 'inserted' }> | null> {
  // Touching the user's row makes creations of one user wait for each other in every dialect.
  await tx
    .updateTable('users')
    .set((builder) => ({ name: builder.ref('name') }))
    .where('id', '=', userId)
    .execute();
  if (key !== null) {
    await tx
      .deleteFrom('idempotency_keys')
      .where('user_id', '=', userId)
      .where('created_at', '<', forgetKeysBefore)
      .execute();
    const known = await tx
      .selectFrom('idempotency_keys')
      .select(['vm_id', 'request_hash'])
      .where('user_id', '=', userId)
      .where('key', '=', key.key)
      .executeTakeFirst();
    if (known !== undefined)
      return { outcome: 'repeated', vmId: known.vm_id, requestHash: known.request_hash };
  }
  const { count } = await tx
    .selectFrom('vms')
    .select((builder) => builder.fn.countAll().as('count'))
    .where('user_id', '=', userId)
    .where('state', '!=', 'deleted')
    .executeTakeFirstOrThrow();
  return Number(count) >= limit ? { outcome: 'quota' } : null;
}

async function keepKey(tx: Transaction<Tables>, vm: OwnedVm, key: IdempotencyKey | null): Promise<void> {
  if (key === null) return;
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
    finding: vm.finding === null ? null : JSON.stringify(vm.finding),
    request_id: vm.requestId,
    origin: vm.origin,
    last_used_at: vm.lastUsedAt,
    hibernated_at: vm.hibernatedAt,
    deletes_at: vm.deletesAt,
    start: vm.start,
    fork_of: vm.forkOf,
    asked_at: vm.askedAt,
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
    origin: row.origin,
    lastUsedAt: row.last_used_at,
    hibernatedAt: row.hibernated_at,
    deletesAt: row.deletes_at,
    timeline: timelineSchema.parse(JSON.parse(row.timeline)),
    failure: row.failure === null ? null : failureSchema.parse(JSON.parse(row.failure)),
    finding: row.finding === null ? null : findingSchema.parse(JSON.parse(row.finding)),
  });
  const { request_id: requestId, start, fork_of: forkOf, asked_at: askedAt } = row;
  return { ...vm, requestId, start, forkOf, askedAt };
}
