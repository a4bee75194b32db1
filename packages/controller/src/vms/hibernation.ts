import { HearthError, startProgress } from '@hearth/contract';
import { isAsleep, notResumed, requireHibernatable, requireReach } from '../domain/vms/reach.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { WarmPool } from '../workers/warm-pool.ts';
import type { HandOver } from './hand-over.ts';
import type { VmBook } from './vm-book.ts';
import { waitForVm } from './wait-for-vm.ts';

/** For a hibernation that another call, or the controller before its restart, asked for. */
const SETTLE_TIMEOUT_MS = 60_000;
/** From the call to ready. The host's own deadline is shorter, and says what was missing. */
const AWAKEN_TIMEOUT_MS = 10 * 60_000;

export interface HibernationDeps {
  book: VmBook;
  handOver: HandOver;
  pool: Pick<WarmPool, 'withRoom'>;
}

export interface HibernationCall {
  requestId: string;
  signal: AbortSignal;
}

export interface Resumed {
  vm: VmRecord;
  /** false: it ran or started already. */
  begun: boolean;
}

/** Puts VMs to sleep and wakes them. */
export interface Hibernation {
  /** Resolves once the VM is hibernated. Throws not_hibernatable, and what the host says; the VM goes on then. */
  hibernate(vm: VmRecord, call: HibernationCall): Promise<VmRecord>;
  /**
   * Resolves once the host took the resumption over; with the VM as it is where it runs or starts already. Throws what the
   * host says; the VM stays hibernated then.
   */
  resume(vm: VmRecord, cold: boolean, call: HibernationCall): Promise<Resumed>;
  /** The VM itself where it is not hibernated; else it is resumed, and waited for. Throws why it was not. */
  awaken(vm: VmRecord, call: HibernationCall): Promise<VmRecord>;
}

export function createHibernation({ book, handOver, pool }: HibernationDeps): Hibernation {
  const newest = async (vm: VmRecord): Promise<VmRecord> => (await book.store.get(vm.id)) ?? vm;
  const settle = async (vm: VmRecord, { signal }: HibernationCall): Promise<VmRecord> => {
    if (vm.state !== 'hibernating') return vm;
    const progress = startProgress({
      what: `waiting for the hibernation of ${vm.id}`,
      timeoutMs: SETTLE_TIMEOUT_MS,
      signal,
    });
    const done = await waitForVm(book, vm, ({ state }) => state !== 'hibernating', {
      timeoutMs: SETTLE_TIMEOUT_MS,
      signal: progress.signal,
    });
    if (done.state === 'hibernating') progress.throwIfAborted();
    return done;
  };

  const resume: Hibernation['resume'] = async (vm, cold, call) => {
    const settled = await settle(vm, call);
    const { id, state } = settled;
    if (state === 'ready' || state === 'requested' || state === 'starting')
      return { vm: settled, begun: false };
    if (state !== 'hibernated') requireReach(settled);
    const { requestId, signal } = call;
    await pool.withRoom(() => handOver.resume(id, { cold, requestId }), signal);
    return { vm: await newest(settled), begun: true };
  };

  return {
    resume,
    hibernate: async (vm, call) => {
      requireHibernatable(vm);
      const { id } = vm;
      if (vm.state === 'ready') await handOver.hibernate(id, call.requestId);
      const now = await settle(await newest(vm), call);
      if (now.state === 'hibernated') return now;
      throw new HearthError('not_hibernatable', `${id} is ${now.state}`, { vmId: id });
    },
    awaken: async (vm, { requestId, signal }) => {
      if (!isAsleep(vm)) return vm;
      const progress = startProgress({
        what: `resuming ${vm.id} for this call`,
        timeoutMs: AWAKEN_TIMEOUT_MS,
        signal,
      });
      const resumed = await resume(vm, false, { requestId, signal: progress.signal });
      const woken = await waitForVm(book, resumed.vm, ({ state }) => state !== 'starting', {
        timeoutMs: AWAKEN_TIMEOUT_MS,
        signal: progress.signal,
      });
      if (woken.state !== 'ready') progress.throwIfAborted();
      const reason = notResumed(woken);
      if (reason !== null) throw reason;
      return woken;
    },
  };
}
