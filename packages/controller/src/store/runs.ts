import {
  runChangesSchema,
  runSchema,
  type ProviderId,
  type RunChanges,
  type RunEvent,
  type RunId,
  type UserId,
} from '@hearth/contract';
import type { Selectable, Transaction } from 'kysely';
import type { RunOrder, RunRecord } from '../domain/runs/run-record.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';

export interface RunAdmission {
  /** Runs of one person that may wait. */
  maxWaiting: number;
  /** null: every call makes a run. */
  key: string | null;
  requestHash: string;
}

export type RunInsertion =
  | { outcome: 'inserted' }
  | { outcome: 'full' }
  /** The key is taken: by this request where the hashes agree. */
  | { outcome: 'repeated'; run: RunRecord; requestHash: string };

/** What changes together. */
export interface RunWrite {
  run: RunRecord;
  events: readonly RunEvent[];
  /** With their diffs. */
  changes?: RunChanges;
  /** The prompt and files are needed no longer. */
  forgetOrder?: boolean;
}

/** An event as it is sent. */
export interface StoredEvent {
  seq: number;
  type: RunEvent['type'];
  /** JSON of the event. */
  body: string;
}

export interface RunStore {
  insert(run: RunRecord, order: RunOrder, admission: RunAdmission): Promise<RunInsertion>;
  get(id: RunId): Promise<RunRecord | null>;
  /** Newest first. `before`: only runs older than that one. */
  list(userId: UserId, options: { limit: number; before?: RunRecord }): Promise<RunRecord[]>;
  /** All that aren't over, oldest first. */
  live(): Promise<RunRecord[]>;
  /** Ended ones of which the guest may still have something. */
  leftInGuests(): Promise<RunRecord[]>;
  /** The newest run of that conversation. */
  ofConversation(userId: UserId, provider: ProviderId, sessionId: string): Promise<RunRecord | null>;
  /** null: it was given to the guest, or the run is over. */
  order(id: RunId): Promise<RunOrder | null>;
  /** Compare-and-set, in one transaction: false where the run moved on since `expectedVersion`. */
  write(change: RunWrite, expectedVersion: number): Promise<boolean>;
  /** Events behind `after`, at most `maxBytes` of them, but at least one where there is one. */
  events(id: RunId, after: number, maxBytes: number): Promise<StoredEvent[]>;
  changes(id: RunId): Promise<RunChanges | null>;
  /** Forgets runs that ended before that time. */
  forgetEnded(before: string): Promise<RunId[]>;
}

const PAGE_EVENTS = 500;
const liveStates = ['queued', 'paused', 'starting', 'running'] as const;
const endedStates = ['succeeded', 'failed', 'cancelled', 'timed_out'] as const;

type Row = Selectable<Tables['runs']>;

export function createRunStore(db: Database): RunStore {
  return {
    insert: (run, order, { maxWaiting, key, requestHash }) =>
      db.transaction().execute(async (tx): Promise<RunInsertion> => {
        await holdUser(tx, run.userId);
        if (key !== null) {
          const known = await tx
            .selectFrom('runs')
            .selectAll()
            .where('user_id', '=', run.userId)
            .where('idempotency_key', '=', key)
            .executeTakeFirst();
          if (known !== undefined)
            return { outcome: 'repeated', run: toRecord(known), requestHash: known.request_hash };
        }
        const { count } = await tx
          .selectFrom('runs')
          .select((builder) => builder.fn.countAll().as('count'))
          .where('user_id', '=', run.userId)
          .where('state', 'in', ['queued', 'paused'])
          .executeTakeFirstOrThrow();
        if (Number(count) >= maxWaiting) return { outcome: 'full' };
        await tx
          .insertInto('runs')
          .values({ ...toRow(run), idempotency_key: key, request_hash: requestHash })
          .execute();
        await tx
          .insertInto('run_orders')
          .values({ run_id: run.id, body: JSON.stringify(order) })
          .execute();
        return { outcome: 'inserted' };
      }),
    get: async (id) => {
      const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : toRecord(row);
    },
    list: async (userId, { limit, before }) => {
      let query = db
        .selectFrom('runs')
        .selectAll()
        .where('user_id', '=', userId)
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit);
      if (before !== undefined) {
        const { createdAt, id } = before;
        query = query.where((where) =>
          where.or([
            where('created_at', '<', createdAt),
            where.and([where('created_at', '=', createdAt), where('id', '<', id)]),
          ]),
        );
      }
      return (await query.execute()).map(toRecord);
    },
    live: async () => {
      const query = db.selectFrom('runs').selectAll().where('state', 'in', liveStates);
      return (await query.orderBy('created_at').orderBy('id').execute()).map(toRecord);
    },
    leftInGuests: async () => {
      const query = db.selectFrom('runs').selectAll().where('state', 'in', endedStates);
      return (await query.where('in_guest', '=', 1).execute()).map(toRecord);
    },
    ofConversation: async (userId, provider, sessionId) => {
      const row = await db
        .selectFrom('runs')
        .selectAll()
        .where('user_id', '=', userId)
        .where('provider', '=', provider)
        .where('session_id', '=', sessionId)
        .where('vm_id', 'is not', null)
        .orderBy('created_at', 'desc')
        .executeTakeFirst();
      return row === undefined ? null : toRecord(row);
    },
    order: async (id) => {
      const row = await db
        .selectFrom('run_orders')
        .select('body')
        .where('run_id', '=', id)
        .executeTakeFirst();
      return row === undefined ? null : (JSON.parse(row.body) as RunOrder);
    },
    write: ({ run, events, changes, forgetOrder }, expectedVersion) =>
      db.transaction().execute(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('runs')
          .set(toRow(run))
          .where('id', '=', run.id)
          .where('version', '=', expectedVersion)
          .executeTakeFirst();
        if (numUpdatedRows === 0n) return false;
        for (const event of events) {
          const body = JSON.stringify(event);
          const row = {
            run_id: run.id,
            seq: event.seq,
            type: event.type,
            bytes: Buffer.byteLength(body),
            body,
          };
          await tx.insertInto('run_events').values(row).execute();
        }
        if (changes !== undefined)
          await tx
            .insertInto('run_changes')
            .values({ run_id: run.id, body: JSON.stringify(changes) })
            .execute();
        if (forgetOrder === true) await tx.deleteFrom('run_orders').where('run_id', '=', run.id).execute();
        return true;
      }),
    events: async (id, after, maxBytes) => {
      const sizes = await db
        .selectFrom('run_events')
        .select(['seq', 'bytes'])
        .where('run_id', '=', id)
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(PAGE_EVENTS)
        .execute();
      let last = -1;
      let total = 0;
      for (const { seq, bytes } of sizes) {
        total += bytes;
        if (last !== -1 && total > maxBytes) break;
        last = seq;
      }
      if (last === -1) return [];
      return db
        .selectFrom('run_events')
        .select(['seq', 'type', 'body'])
        .where('run_id', '=', id)
        .where('seq', '>', after)
        .where('seq', '<=', last)
        .orderBy('seq')
        .execute();
    },
    changes: async (id) => {
      const row = await db
        .selectFrom('run_changes')
        .select('body')
        .where('run_id', '=', id)
        .executeTakeFirst();
      return row === undefined ? null : runChangesSchema.parse(JSON.parse(row.body));
    },
    forgetEnded: async (before) => {
      const rows = await db
        .deleteFrom('runs')
        .where('state', 'in', endedStates)
        .where('ended_at', '<', before)
        .returning('id')
        .execute();
      return rows.map(({ id }) => id);
    },
  };
}

/** Touching the user's row makes calls of one user wait for each other in every dialect. */
async function holdUser(tx: Transaction<Tables>, userId: UserId): Promise<void> {
  await tx
    .updateTable('users')
    .set((builder) => ({ name: builder.ref('name') }))
    .where('id', '=', userId)
    .execute();
}

function toRow(run: RunRecord): Omit<Row, 'idempotency_key' | 'request_hash'> {
  return {
    id: run.id,
    user_id: run.userId,
    provider: run.provider,
    state: run.state,
    version: run.version,
    prompt: run.prompt,
    session_id: run.sessionId,
    continues: run.continues,
    model: run.model,
    cwd: run.cwd,
    wanted_vm_id: run.wantedVmId,
    vm_id: run.vmId,
    timeout_ms: run.timeoutMs,
    exit_code: run.exitCode,
    ended_by: run.endedBy,
    failure: toJson(run.failure),
    created_at: run.createdAt,
    started_at: run.startedAt,
    ended_at: run.endedAt,
    usage: toJson(run.usage),
    events: run.events,
    changes: toJson(run.changes),
    request_id: run.requestId,
    cancel_wanted: Number(run.cancelWanted),
    guest_seq: run.guestSeq,
    in_guest: Number(run.inGuest),
    needs_login: run.needsLogin,
    tool_error: run.toolError,
    stderr_tail: run.stderrTail,
  };
}

const toJson = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));
const fromJson = (text: string | null): unknown => (text === null ? null : JSON.parse(text));

function toRecord(row: Row): RunRecord {
  const {
    position: _position,
    waitingFor: _waitingFor,
    ...run
  } = runSchema.parse({
    id: row.id,
    userId: row.user_id,
    provider: row.provider,
    state: row.state,
    version: row.version,
    prompt: row.prompt,
    sessionId: row.session_id,
    model: row.model,
    cwd: row.cwd,
    vmId: row.vm_id,
    position: null,
    waitingFor: null,
    exitCode: row.exit_code,
    failure: fromJson(row.failure),
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    usage: fromJson(row.usage),
    events: row.events,
    changes: fromJson(row.changes),
  });
  return {
    ...run,
    continues: row.continues,
    wantedVmId: row.wanted_vm_id,
    timeoutMs: row.timeout_ms,
    endedBy: row.ended_by,
    requestId: row.request_id,
    cancelWanted: row.cancel_wanted === 1,
    guestSeq: row.guest_seq,
    inGuest: row.in_guest === 1,
    needsLogin: row.needs_login,
    toolError: row.tool_error,
    stderrTail: row.stderr_tail,
  };
}
