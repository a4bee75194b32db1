import { asHearthError, type Config, type Log, type VmId } from '@hearth/contract';
import type { World } from '../clock.ts';
import { isIdle, isPastKeeping, mayRest, withoutEnd } from '../domain/vms/idle.ts';
import { advance, type VmRecord } from '../domain/vms/vm-record.ts';
import type { Activity } from '../vms/activity.ts';
import type { HandOver } from '../vms/hand-over.ts';
import type { VmBook } from '../vms/vm-book.ts';
import { coalesce } from './coalesce.ts';

const MINUTE_MS = 60_000;
const MIN_PERIOD_MS = 1000;
/** A VM that could not be hibernated is left alone for this time. */
const RETRY_MS = 30 * 60_000;
const REQUEST_ID = 'hibernate';

export interface HibernateDeps {
  book: VmBook;
  handOver: HandOver;
  activity: Activity;
  /** VMs that are people's homes, which are kept whatever their age. */
  homes: () => Promise<ReadonlySet<VmId>>;
  policy: Config['vms']['hibernate'];
  /** Is the host to be emptied? Then what nothing uses is hibernated at once. */
  emptying: () => boolean;
  /** Does a terminal of the VM run, be it that nobody looks at it? Asked where the host is emptied. */
  hasTerminals: (vm: VmRecord, signal: AbortSignal) => Promise<boolean>;
  world: World;
  log: Log;
  signal: AbortSignal;
}

/** Hibernates what nobody uses, and deletes what nobody came back to. */
export interface HibernateWorker {
  run(): Promise<void>;
  start(): void;
  settled(): Promise<void>;
}

export function createHibernateWorker(deps: HibernateDeps): HibernateWorker {
  const { book, handOver, activity, homes, policy, emptying, hasTerminals, world, log, signal } = deps;
  const retryAtMs = new Map<VmId, number>();

  const mayHibernate = async (vm: VmRecord, now: Date): Promise<boolean> => {
    if (activity.inUse(vm.id)) return false;
    if (!emptying()) return isIdle(vm, policy.afterIdleMinutes, now);
    return mayRest(vm) && !(await hasTerminals(vm, signal));
  };
  const hibernateIdle = async (): Promise<void> => {
    const ready = await book.store.list({ states: ['ready'] });
    for (const id of retryAtMs.keys()) if (!ready.some((vm) => vm.id === id)) retryAtMs.delete(id);
    // One at a time: each one writes as much as the VM has memory.
    for (const listed of ready) {
      const { id } = listed;
      if (!emptying() && !isIdle(listed, policy.afterIdleMinutes, world.now())) continue;
      // It may have been used while others were hibernated.
      const vm = await book.store.get(id);
      const now = world.now();
      if (vm === null || (retryAtMs.get(id) ?? 0) > now.getTime()) continue;
      try {
        if (!(await mayHibernate(vm, now))) continue;
        await handOver.hibernate(id, REQUEST_ID);
        log('a VM that was not used is hibernated', { vmId: id, lastUsedAt: vm.lastUsedAt });
      } catch (error) {
        if (signal.aborted) throw error;
        retryAtMs.set(id, world.now().getTime() + RETRY_MS);
        const { code, detail } = asHearthError(error);
        log('a VM that was not used could not be hibernated', { vmId: id, code, detail });
      }
    }
  };
  const deleteForgotten = async (): Promise<void> => {
    const kept = await homes();
    for (const { id } of await book.store.list({ states: ['hibernated'] })) {
      const vm = await book.change(id, (now) => {
        if (kept.has(id)) return withoutEnd(now);
        return isPastKeeping(now, world.now()) ? advance(now, 'delete_requested', world.now()) : null;
      });
      if (vm?.state !== 'deleting') continue;
      log('a VM that was hibernated for too long is deleted', { vmId: id });
      await handOver.remove(vm);
    }
  };
  const runs = coalesce(async () => {
    try {
      if (policy.afterIdleMinutes > 0 || emptying()) await hibernateIdle();
      if (policy.deleteAfterDays > 0) await deleteForgotten();
    } catch (error) {
      if (signal.aborted) return;
      const { code, detail } = asHearthError(error);
      log('looking for VMs that are not used failed; it is tried again', { code, detail });
    }
  });

  return {
    ...runs,
    start: () => {
      void runs.run();
      // Nobody waits twice as long as the policy says.
      const shortMs = policy.afterIdleMinutes === 0 ? MINUTE_MS : policy.afterIdleMinutes * MINUTE_MS;
      const periodMs = Math.max(MIN_PERIOD_MS, Math.min(MINUTE_MS, shortMs));
      const timer = setInterval(() => void runs.run(), periodMs);
      timer.unref();
      signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    },
  };
}
