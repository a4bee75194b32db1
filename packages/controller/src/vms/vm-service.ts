import { HearthError, type CreateVm, type RequestId, type VmId } from '@hearth/contract';
import type { World } from '../clock.ts';
import { maySee, type Identity } from '../domain/users/identity.ts';
import { requireRestartable } from '../domain/vms/reach.ts';
import { advance, markPhase, type VmRecord } from '../domain/vms/vm-record.ts';
import type { Created, Creation, CreationCall } from './creation.ts';
import type { HandOver } from './hand-over.ts';
import type { Hibernation, Resumed } from './hibernation.ts';
import type { VmBook } from './vm-book.ts';
import type { AnyVmListener } from './vm-changes.ts';
import { waitForVm } from './wait-for-vm.ts';

export interface VmServiceDeps {
  book: VmBook;
  handOver: HandOver;
  creation: Creation;
  hibernation: Hibernation;
  world: World;
}

/** A call for a VM, as the services below need it. */
export interface VmCall {
  identity: Identity;
  requestId: RequestId;
  signal: AbortSignal;
}

export interface VmService {
  /** Throws quota_exceeded, capacity_exceeded, and what the host says; nothing is left then. */
  create(body: CreateVm, call: CreationCall & VmCall): Promise<Created>;
  /** The same for a copy of the VM, which belongs to the VM's owner. */
  fork(id: VmId, call: CreationCall & VmCall): Promise<Created>;
  /** Throws not_found where the caller may not know of it. */
  find(identity: Identity, id: VmId): Promise<VmRecord>;
  list(identity: Identity, all: boolean): Promise<VmRecord[]>;
  /** Resolves once the VM is hibernated, see {@link Hibernation}. */
  hibernate(id: VmId, call: VmCall): Promise<VmRecord>;
  resume(id: VmId, cold: boolean, call: VmCall): Promise<Resumed>;
  /** Boots the disk of a `ready` CLI VM anew; resolves once the host took it over. Throws conflict, and what the host says. */
  restart(id: VmId, call: VmCall): Promise<VmRecord>;
  /** The VM; resumed, and waited for, where it is hibernated. */
  findAwake(id: VmId, call: VmCall): Promise<VmRecord>;
  /** The first picture since the VM started went to a viewer. */
  markFirstFrame(id: VmId): Promise<void>;
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
  const { book, handOver, creation, hibernation, world } = deps;
  const find = async (identity: Identity, id: VmId): Promise<VmRecord> => {
    const vm = await book.store.get(id);
    if (vm === null || !maySee(identity, vm.userId)) throw unknownVm(id);
    return vm;
  };

  return {
    create: (body, call) => creation.create(call.identity, body, call),
    fork: async (id, call) => creation.fork(await find(call.identity, id), call),
    find,
    list: async (identity, all) => {
      if (all && identity.role !== 'admin')
        throw new HearthError('forbidden', 'only an administrator sees all VMs');
      return book.store.list(all ? {} : { userId: identity.userId });
    },
    hibernate: async (id, call) => hibernation.hibernate(await find(call.identity, id), call),
    resume: async (id, cold, call) => hibernation.resume(await find(call.identity, id), cold, call),
    restart: async (id, { identity, requestId }) => {
      requireRestartable(await find(identity, id));
      await handOver.restart(id, requestId);
      return find(identity, id);
    },
    findAwake: async (id, call) => hibernation.awaken(await find(call.identity, id), call),
    markFirstFrame: async (id) => {
      await book.change(id, (vm) => markPhase(vm, 'first_frame', world.now()));
    },
    delete: async (identity, id) => {
      await find(identity, id);
      const vm = await book.change(id, (now) => advance(now, 'delete_requested', world.now()));
      if (vm === null) throw unknownVm(id);
      if (vm.state === 'deleting') void handOver.remove(vm);
      return vm;
    },
    waitFor: (vm, done, options) => waitForVm(book, vm, done, options),
    watch: (id, listener) => book.changes.subscribe(id, listener),
    watchAll: (listener) => book.changes.subscribeAll(listener),
  };
}

const unknownVm = (id: VmId): HearthError =>
  new HearthError('not_found', `there is no VM ${id}`, { vmId: id });
