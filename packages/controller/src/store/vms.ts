import {
  failureSchema,
  findingSchema,
  geometrySchema,
  timelineSchema,
  vmSchema,
  type Quota,
  type UserId,
  type VmId,
  type VmState,
} from '@hearth/contract';
import type { Selectable, Transaction } from 'kysely';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { Database } from './database.ts';
import { lockUser, requireQuota } from './quotas.ts';
import type { Tables } from './tables.ts';

/** The key under which a creation may be repeated without making a second VM. */
export interface IdempotencyKey {
  key: string;
  requestHash: string;
}

export type Insertion =
  | { outcome: 'inserted' }
  /** The key is taken: by this request where the hashes agree. */
  | { outcome: 'repeated'; vmId: VmId; requestHash: string };

/** A VM that has an owner. */
export type OwnedVm = VmRecord & { userId: UserId };

/** What a person may have, and what makes a call the same as an earlier one. */
export interface Admission {
  /** Where they have no quota of their own. */
  defaults: Quota;
  key: IdempotencyKey | null;
  forgetKeysBefore: string;
}

export interface VmFilter {
  userId?: UserId | null;
  states?: readonly VmState[];
  since?: string;
}

export interface VmStore {
  /** Adds a person's VM if its key is new: one transaction, so that of two equal calls one wins. Throws quota_exceeded. */
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
  /** How many are in each state. */
  count(): Promise<ReadonlyMap<VmState, number>>;
  /** Those that don't answer, with what was found. */
  unhealthy(): Promise<VmRecord[]>;
  /** Compare-and-set: false where the VM moved on since `expectedVersion`. */
  update(vm: VmRecord, expectedVersion: number): Promise<boolean>;
  /** The same for a VM that takes memory and CPUs again. Throws quota_exceeded. */
  updateWithin(vm: VmRecord, expectedVersion: number, defaults: Quota): Promise<boolean>;
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
        const repeated = await admit(tx, vm, admission);
        if (repeated !== null) return repeated;
        await tx.insertInto('vms').values(toRow(vm)).execute();
        await keepKey(tx, vm, admission.key);
        return { outcome: 'inserted' };
      }),
    take: (vm, admission) =>
      db.transaction().execute(async (tx): Promise<Insertion | { outcome: 'gone' }> => {
        const repeated = await admit(tx, vm, admission);
        if (repeated !== null) return repeated;
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
    count: async () => {
      const rows = await db
        .selectFrom('vms')
        .select((builder) => ['state', builder.fn.countAll().as('count')])
        .groupBy('state')
        .execute();
      return new Map(rows.map(({ state, count }) => [state, Number(count)]));
    },
    unhealthy: async () => {
      const rows = await db
        .selectFrom('vms')
        .selectAll()
        .where('state', '=', 'ready')
        .where('finding', 'is not', null)
        .orderBy('id')
        .execute();
      return rows.map(toRecord);
    },
    update: (vm, expectedVersion) => update(db, vm, expectedVersion),
    updateWithin: (vm, expectedVersion, defaults) =>
      db.transaction().execute(async (tx) => {
        const { userId, memMiB, cpus } = vm;
        if (userId !== null) {
          await lockUser(tx, userId);
          await requireQuota(tx, userId, { vms: 0, memMiB, cpus }, defaults);
        }
        return update(tx, vm, expectedVersion);
      }),
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

async function update(
  db: Database | Transaction<Tables>,
  vm: VmRecord,
  expectedVersion: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('vms')
    .set(toRow(vm))
    .where('id', '=', vm.id)
    .where('version', '=', expectedVersion)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** The VM that an equal call made; null where there is none. Throws quota_exceeded. Holds until the transaction ends. */
async function admit(
  tx: Transaction<Tables>,
  { userId, memMiB, cpus }: OwnedVm,
  { defaults, key, forgetKeysBefore }: Admission,
): Promise<Exclude<Insertion, { outcome: 'inserted' }> | null> {
  await lockUser(tx, userId);
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
  await requireQuota(tx, userId, { vms: 1, memMiB, cpus }, defaults);
  return null;
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
