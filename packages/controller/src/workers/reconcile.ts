import { asHearthError, startProgress, type HostVm, type Log } from '@hearth/contract';
import type { World } from '../clock.ts';
import { advance, observe, type VmRecord } from '../domain/vms/vm-record.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { HandOver } from '../vms/hand-over.ts';
import type { VmBook } from '../vms/vm-book.ts';

const PERIOD_MS = 30_000;
const CALL_TIMEOUT_MS = 10_000;

export interface ReconcileDeps {
  book: VmBook;
  host: HostLink;
  handOver: HandOver;
  world: World;
  log: Log;
  signal: AbortSignal;
}

/** Makes records and host agree, from what both are now; what happened in between doesn't matter. */
export interface Reconcile {
  /** Takes in one VM as the host sees it. */
  observe(seen: HostVm): Promise<void>;
  /** Compares everything once; of calls that come while one runs, one more run comes of it. */
  run(): Promise<void>;
  /** Runs now and then until the signal. */
  start(): void;
  /** Resolves when no run is under way. */
  settled(): Promise<void>;
}

export function createReconcile(deps: ReconcileDeps): Reconcile {
  const { book, host, handOver, world, log, signal } = deps;
  const call = (what: string): AbortSignal =>
    startProgress({ what, timeoutMs: CALL_TIMEOUT_MS, signal }).signal;

  // Not awaited: a removal waits for the end of a VMM, and removals don't wait for each other.
  const sweep = (seen: HostVm, why: string): void => {
    if (seen.state === 'gone' || seen.state === 'deleting') return;
    log('deleting a VM on the host that should not be there', { vmId: seen.id, state: seen.state, why });
    void handOver.remove({ id: seen.id, requestId: 'reconcile' });
  };

  const observeOne = async (seen: HostVm): Promise<void> => {
    const vm = await book.change(seen.id, (now) => observe(now, seen, world.now()));
    // Records come before VMs, so a VM without one was taken back or is nobody's.
    if (vm === null && !handOver.busy(seen.id)) sweep(seen, 'no record');
    else if (vm?.state === 'deleted') sweep(seen, 'its record is deleted');
  };

  /** The list may be older than a hand-over: ask again before a VM is called lost. */
  const checkMissing = async (vm: VmRecord): Promise<void> => {
    const seen = await host.get(vm.id, { signal: call(`looking for ${vm.id}`) });
    if (seen !== null) {
      await observeOne(seen);
      return;
    }
    log('the host lost a VM', { vmId: vm.id, state: vm.state });
    await book.change(vm.id, (now) => advance(now, 'host_gone', world.now()));
  };

  const compare = async (): Promise<void> => {
    const seen = await host.list({ signal: call('listing the VMs of the host') });
    for (const vm of seen) await observeOne(vm);
    const onHost = new Set(seen.map(({ id }) => id));
    for (const vm of await book.store.list({ states: ['starting', 'ready'] }))
      if (!onHost.has(vm.id)) await checkMissing(vm);
    const waiting = await book.store.list({ states: ['requested'] });
    await Promise.all(waiting.filter(({ id }) => !handOver.busy(id)).map((vm) => handOver.giveAgain(vm)));
    for (const vm of await book.store.list({ states: ['deleting'] })) void handOver.remove(vm);
  };

  let running: Promise<void> | null = null;
  let again = false;
  const runOnce = async (): Promise<void> => {
    do {
      again = false;
      try {
        await compare();
      } catch (error) {
        if (signal.aborted) return;
        const { code, detail } = asHearthError(error);
        log('reconcile stopped half-way; it runs again', { code, detail });
        return;
      }
      // `again` is set by calls that came meanwhile.
    } while (again as boolean);
  };
  const run = (): Promise<void> => {
    if (running !== null) {
      again = true;
      return running;
    }
    running = runOnce().finally(() => {
      running = null;
    });
    return running;
  };

  return {
    observe: observeOne,
    run,
    settled: async () => {
      await running;
    },
    start: () => {
      const timer = setInterval(() => void run(), PERIOD_MS);
      timer.unref();
      signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    },
  };
}
