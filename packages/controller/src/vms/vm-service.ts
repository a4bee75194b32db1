import {
  HearthError,
  startProgress,
  vmIdSchema,
  makeId,
  type Config,
  type CreateVm,
  type RequestId,
  type UserId,
  type VmId,
} from '@hearth/contract';
import { createHash } from 'node:crypto';
import type { World } from '../clock.ts';
import { maySee, type Identity } from '../domain/users/identity.ts';
import { IDEMPOTENCY_MS, later } from '../domain/users/lifetimes.ts';
import { decideDesktop, decideSize, quotaExceeded } from '../domain/vms/limits.ts';
import { advance, newVm, type VmRecord } from '../domain/vms/vm-record.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { UserStore } from '../store/users.ts';
import type { HandOver } from './hand-over.ts';
import type { VmBook } from './vm-book.ts';
import type { AnyVmListener } from './vm-changes.ts';

const CAPACITY_TIMEOUT_MS = 5000;

export interface VmServiceDeps {
  book: VmBook;
  users: UserStore;
  host: HostLink;
  handOver: HandOver;
  config: Config;
  world: World;
}

export interface Creation {
  identity: Identity;
  body: CreateVm;
  idempotencyKey: string | undefined;
  requestId: RequestId;
  signal: AbortSignal;
}

export interface VmService {
  /** `replayed`: the key was used before, and this is the VM that it made then. */
  create(creation: Creation): Promise<{ vm: VmRecord; replayed: boolean }>;
  /** Throws not_found where the caller may not know of it. */
  find(identity: Identity, id: VmId): Promise<VmRecord>;
  list(identity: Identity, all: boolean): Promise<VmRecord[]>;
  /** Marks the VM as `deleting`; its removal goes on by itself. */
  delete(identity: Identity, id: VmId): Promise<VmRecord>;
  /** Resolves with the record once `done` holds, or with the newest one after the time. */
  waitFor(
    vm: VmRecord,
    done: (vm: VmRecord) => boolean,
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<VmRecord>;
  watch(id: VmId, listener: (vm: VmRecord | null) => void): () => void;
  watchAll(listener: AnyVmListener): () => void;
}

export function createVmService(deps: VmServiceDeps): VmService {
  const { book, users, host, handOver, config, world } = deps;
  /** Creations under way by user and key: an equal call waits for the outcome of the first. */
  const creating = new Map<string, Promise<unknown>>();

  const find = async (identity: Identity, id: VmId): Promise<VmRecord> => {
    const vm = await book.store.get(id);
    if (vm === null || !maySee(identity, vm.userId)) throw unknownVm(id);
    return vm;
  };
  const replay = async (
    userId: UserId,
    found: { vmId: VmId; requestHash: string },
    requestHash: string,
  ): Promise<{ vm: VmRecord; replayed: true } | null> => {
    if (found.requestHash !== requestHash)
      throw new HearthError('idempotency_mismatch', 'the body differs from that of the first request');
    const vm = await book.store.get(found.vmId);
    return vm?.userId === userId ? { vm, replayed: true } : null;
  };

  const createOnce = async (
    { body, idempotencyKey, requestId, signal }: Creation,
    userId: UserId,
  ): Promise<{ vm: VmRecord; replayed: boolean }> => {
    const now = world.now();
    const forgetBefore = later(now, -IDEMPOTENCY_MS);
    const key = idempotencyKey === undefined ? null : { key: idempotencyKey, requestHash: hashRequest(body) };
    if (key !== null) {
      const found = await book.store.findKey(userId, key.key, forgetBefore);
      const known = found === null ? null : await replay(userId, found, key.requestHash);
      if (known !== null) return known;
    }
    const progress = startProgress({
      what: 'asking the host for room',
      timeoutMs: CAPACITY_TIMEOUT_MS,
      signal,
    });
    const capacity = await host.capacity({ signal: progress.signal, requestId });
    const size = decideSize(body, config.vms, capacity);
    const id = vmIdSchema.parse(makeId('vm', world.randomBytes));
    const desktop = decideDesktop(body, config.desktop);
    const vm = newVm({ id, userId, kind: body.kind, size, desktop, requestId, now });
    const inserted = await book.store.insert(vm, config.controller.maxVmsPerUser, key, forgetBefore);
    if (inserted.outcome === 'quota') throw quotaExceeded(config.controller.maxVmsPerUser);
    if (inserted.outcome === 'repeated') {
      const known = await replay(userId, inserted, key?.requestHash ?? '');
      if (known !== null) return known;
      throw new HearthError('conflict', 'the VM of this Idempotency-Key is being taken back; try again');
    }
    try {
      await handOver.give(vm);
    } catch (error) {
      // Nothing stays behind: the record goes, and reconcile sweeps what the host may have begun.
      if (await book.store.discard(vm)) book.changes.publish(vm.id, null);
      throw error;
    }
    return { vm: (await book.store.get(vm.id)) ?? vm, replayed: false };
  };

  return {
    create: async (creation) => {
      const { identity, body, idempotencyKey } = creation;
      const userId = await ownerOf(identity, body.userId, users);
      if (idempotencyKey === undefined) return createOnce(creation, userId);
      const slot = `${userId} ${idempotencyKey}`;
      for (let first = creating.get(slot); first !== undefined; first = creating.get(slot))
        // Its outcome is its caller's; here it matters only that it has one.
        await first.catch(() => undefined);
      const mine = createOnce(creation, userId);
      creating.set(slot, mine);
      try {
        return await mine;
      } finally {
        creating.delete(slot);
      }
    },
    find,
    list: async (identity, all) => {
      if (all && identity.role !== 'admin')
        throw new HearthError('forbidden', 'only an administrator sees all VMs');
      return book.store.list(all ? {} : { userId: identity.userId });
    },
    delete: async (identity, id) => {
      await find(identity, id);
      const vm = await book.change(id, (now) => advance(now, 'delete_requested', world.now()));
      if (vm === null) throw unknownVm(id);
      if (vm.state === 'deleting') void handOver.remove(vm);
      return vm;
    },
    waitFor: async (vm, done, { timeoutMs, signal }) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const stop = (): void => resolve(undefined);
      const unsubscribe = book.changes.subscribe(vm.id, (next) => {
        if (next === null || done(next)) stop();
      });
      const timer = setTimeout(stop, timeoutMs);
      signal.addEventListener('abort', stop, { once: true });
      try {
        const newest = await book.store.get(vm.id);
        if (newest !== null && !done(newest) && !signal.aborted) await promise;
        return (await book.store.get(vm.id)) ?? vm;
      } finally {
        clearTimeout(timer);
        unsubscribe();
        signal.removeEventListener('abort', stop);
      }
    },
    watch: (id, listener) => book.changes.subscribe(id, listener),
    watchAll: (listener) => book.changes.subscribeAll(listener),
  };
}

const unknownVm = (id: VmId): HearthError =>
  new HearthError('not_found', `there is no VM ${id}`, { vmId: id });

async function ownerOf(identity: Identity, wanted: UserId | undefined, users: UserStore): Promise<UserId> {
  if (wanted === undefined || wanted === identity.userId) return identity.userId;
  if (identity.role !== 'admin')
    throw new HearthError('forbidden', 'only an administrator makes VMs for others', {
      issues: [{ path: 'userId', message: 'is another user' }],
    });
  if ((await users.get(wanted)) === null)
    throw new HearthError('bad_request', `userId: there is no user ${wanted}`, {
      issues: [{ path: 'userId', message: 'is not known' }],
    });
  return wanted;
}

/** Keys are in the schema's order, so equal requests hash equally. */
const hashRequest = (body: CreateVm): string =>
  createHash('sha256').update(JSON.stringify(body)).digest('hex');
