import {
  HearthError,
  makeId,
  startProgress,
  vmIdSchema,
  type Config,
  type CreateVm,
  type RequestId,
  type UserId,
  type VmId,
} from '@hearth/contract';
import { createHash } from 'node:crypto';
import type { World } from '../clock.ts';
import type { Identity } from '../domain/users/identity.ts';
import { IDEMPOTENCY_MS, later } from '../domain/users/lifetimes.ts';
import { defaultQuota } from '../domain/users/quota.ts';
import { decideDesktop, decideSize } from '../domain/vms/limits.ts';
import { requireHibernatable } from '../domain/vms/reach.ts';
import { newVm, taken, type VmRecord } from '../domain/vms/vm-record.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { UserStore } from '../store/users.ts';
import type { Admission, OwnedVm } from '../store/vms.ts';
import { actingFor } from '../users/acting-for.ts';
import type { WarmPool } from '../workers/warm-pool.ts';
import type { HandOver } from './hand-over.ts';
import type { VmBook } from './vm-book.ts';

const CAPACITY_TIMEOUT_MS = 5000;
const LOOK_TIMEOUT_MS = 5000;

export interface CreationDeps {
  book: VmBook;
  users: UserStore;
  host: HostLink;
  handOver: HandOver;
  pool: WarmPool;
  /** Throws why no VM is created at present: host_draining, creation_paused. */
  admit: () => Promise<void>;
  config: Config;
  world: World;
}

export interface CreationCall {
  idempotencyKey: string | undefined;
  requestId: RequestId;
  signal: AbortSignal;
}

export interface Created {
  vm: VmRecord;
  /** The key was used before, and this is the VM that it made then. */
  replayed: boolean;
}

export interface Creation {
  /** A VM of the caller's, or for an administrator of another user's: a warm one where one fits. */
  create(identity: Identity, body: CreateVm, call: CreationCall): Promise<Created>;
  /** A copy of a VM, of the same owner. Throws not_hibernatable where it can't be copied. */
  fork(source: VmRecord, call: CreationCall): Promise<Created>;
}

/** What is wanted, by whom. */
interface Wish extends CreationCall {
  userId: UserId;
  /** What makes two calls with one key the same. */
  body: unknown;
  /** Where a warm VM will do. */
  warm: CreateVm | null;
  make: (id: VmId, now: Date) => Promise<OwnedVm>;
}

export function createCreation(deps: CreationDeps): Creation {
  const { book, users, host, handOver, pool, admit, config, world } = deps;
  const defaults = defaultQuota(config.controller);
  /** Creations under way by user and key: an equal call waits for the outcome of the first. */
  const creating = new Map<string, Promise<unknown>>();

  const replay = async (
    userId: UserId,
    found: { vmId: VmId; requestHash: string },
    requestHash: string,
  ): Promise<Created | null> => {
    if (found.requestHash !== requestHash)
      throw new HearthError('idempotency_mismatch', 'the body differs from that of the first request');
    const vm = await book.store.get(found.vmId);
    return vm?.userId === userId ? { vm, replayed: true } : null;
  };
  /** The VM of an earlier call with that key; throws where there is none any more. */
  const repeated = async (
    { userId }: Wish,
    found: { vmId: VmId; requestHash: string },
    key: Admission['key'],
  ): Promise<Created> => {
    const known = await replay(userId, found, key?.requestHash ?? '');
    if (known !== null) return known;
    throw new HearthError('conflict', 'the VM of this Idempotency-Key is being taken back; try again');
  };

  const takeWarm = async (wish: Wish, calledAt: Date, admission: Admission): Promise<Created | null> => {
    const { warm, userId, requestId, signal } = wish;
    if (warm === null) return null;
    const passedOver = new Set<VmId>();
    // Ends: who loses a VM to another call finds one less at the next look.
    for (;;) {
      const waiting = await pool.waiting(warm);
      const vm = waiting.find(({ id }) => !passedOver.has(id));
      if (vm === undefined) return null;
      const progress = startProgress({ what: `looking at ${vm.id}`, timeoutMs: LOOK_TIMEOUT_MS, signal });
      // What waited for long may have died a moment ago; nobody is given that.
      const seen = await host.get(vm.id, { signal: progress.signal, requestId });
      if (seen?.state !== 'ready' || seen.finding !== null) {
        passedOver.add(vm.id);
        continue;
      }
      const next = { ...taken(vm, { userId, requestId, calledAt, now: world.now() }), userId };
      const taking = await book.store.take(next, admission);
      if (taking.outcome === 'repeated') return repeated(wish, taking, admission.key);
      if (taking.outcome === 'gone') continue;
      book.changes.publish(next.id, next);
      return { vm: next, replayed: false };
    }
  };
  const makeNew = async (wish: Wish, admission: Admission): Promise<Created> => {
    const vm = await wish.make(vmIdSchema.parse(makeId('vm', world.randomBytes)), world.now());
    const inserted = await book.store.insert(vm, admission);
    if (inserted.outcome === 'repeated') return repeated(wish, inserted, admission.key);
    try {
      await handOver.give(vm);
    } catch (error) {
      // Nothing stays behind: the record goes, and reconcile sweeps what the host may have begun.
      if (await book.store.discard(vm)) book.changes.publish(vm.id, null);
      throw error;
    }
    return { vm: (await book.store.get(vm.id)) ?? vm, replayed: false };
  };
  const once = async (wish: Wish): Promise<Created> => {
    const { userId, idempotencyKey, body, signal } = wish;
    const calledAt = world.now();
    const forgetKeysBefore = later(calledAt, -IDEMPOTENCY_MS);
    const key = idempotencyKey === undefined ? null : { key: idempotencyKey, requestHash: hashRequest(body) };
    if (key !== null) {
      const found = await book.store.findKey(userId, key.key, forgetKeysBefore);
      const known = found === null ? null : await replay(userId, found, key.requestHash);
      if (known !== null) return known;
    }
    await admit();
    const admission = { defaults, key, forgetKeysBefore };
    return (
      (await takeWarm(wish, calledAt, admission)) ??
      (await pool.withRoom(() => makeNew(wish, admission), signal))
    );
  };
  const fulfil = async (wish: Wish): Promise<Created> => {
    if (wish.idempotencyKey === undefined) return once(wish);
    const slot = `${wish.userId} ${wish.idempotencyKey}`;
    for (let first = creating.get(slot); first !== undefined; first = creating.get(slot))
      // Its outcome is its caller's; here it matters only that it has one.
      await first.catch(() => undefined);
    const mine = once(wish);
    creating.set(slot, mine);
    try {
      return await mine;
    } finally {
      creating.delete(slot);
    }
  };

  return {
    create: async (identity, body, call) => {
      const userId = await actingFor(identity, body.userId, users);
      const { requestId, signal } = call;
      const { kind, start } = body;
      return fulfil({
        ...call,
        userId,
        body,
        warm: start === 'cold' ? null : body,
        make: async (id, now) => {
          const progress = startProgress({
            what: 'asking the host for room',
            timeoutMs: CAPACITY_TIMEOUT_MS,
            signal,
          });
          const size = decideSize(
            body,
            config.vms,
            await host.capacity({ signal: progress.signal, requestId }),
          );
          const desktop = decideDesktop(body, config.desktop);
          const how = start === undefined ? {} : { start };
          return { ...newVm({ id, userId, kind, size, desktop, requestId, now, ...how }), userId };
        },
      });
    },
    fork: async ({ id: forkOf }, call) => {
      const { userId } = await forkable(book, forkOf);
      const { requestId } = call;
      return fulfil({
        ...call,
        userId,
        body: { forkOf },
        warm: null,
        make: async (id, now) => {
          const { kind, cpus, memMiB, diskMiB, desktop } = await forkable(book, forkOf);
          const size = { cpus, memMiB, diskMiB };
          return { ...newVm({ id, userId, kind, size, desktop, forkOf, requestId, now }), userId };
        },
      });
    },
  };
}

/** The newest record of a VM that can be copied now. Throws not_found, vm_deleted or not_hibernatable. */
async function forkable(book: VmBook, id: VmId): Promise<OwnedVm> {
  const vm = await book.store.get(id);
  if (vm === null) throw new HearthError('not_found', `there is no VM ${id}`, { vmId: id });
  requireHibernatable(vm);
  const { userId } = vm;
  if (userId === null || (vm.state !== 'ready' && vm.state !== 'hibernated'))
    throw new HearthError('not_hibernatable', `${id} is ${vm.state}`, { vmId: id });
  return { ...vm, userId };
}

/** Keys are in the schema's order, so equal requests hash equally. */
const hashRequest = (body: unknown): string =>
  createHash('sha256').update(JSON.stringify(body)).digest('hex');
