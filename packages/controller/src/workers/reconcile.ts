import { asHearthError, startProgress, type HostVm, type Log, type VmState } from '@hearth/contract';
import type { World } from '../clock.ts';
import { advance, type VmRecord } from '../domain/vms/vm-record.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { HandOver } from '../vms/hand-over.ts';
import type { HostView } from '../vms/host-view.ts';
import type { VmBook } from '../vms/vm-book.ts';
import { coalesce } from './coalesce.ts';

const PERIOD_MS = 30_000;
const CALL_TIMEOUT_MS = 10_000;
/** In these the host has something of a VM. */
const livingStates: readonly VmState[] = ['starting', 'ready', 'hibernating', 'hibernated'];

export interface ReconcileDeps {
  book: VmBook;
  view: HostView;
  host: HostLink;
  handOver: HandOver;
  world: World;
  log: Log;
  signal: AbortSignal;
}

/** Makes records and host agree, from what both are now; what happened in between doesn't matter. */
export interface Reconcile {
  /** Takes in one VM as an event of the host shows it. */
  observe(seen: HostVm): Promise<void>;
  /** Compares everything once. */
  run(): Promise<void>;
  /** Runs now and then until the signal. */
  start(): void;
  settled(): Promise<void>;
}

export function createReconcile(deps: ReconcileDeps): Reconcile {
  const { book, view, host, handOver, world, log, signal } = deps;
  const call = (what: string): AbortSignal =>
    startProgress({ what, timeoutMs: CALL_TIMEOUT_MS, signal }).signal;

  // Not awaited: a removal waits for the end of a VMM, and removals don't wait for each other.
  const sweep = (seen: HostVm, why: string): void => {
    if (seen.state === 'gone' || seen.state === 'deleting') return;
    log('deleting a VM on the host that should not be there', { vmId: seen.id, state: seen.state, why });
    void handOver.remove({ id: seen.id, requestId: 'reconcile' });
  };

  const judge = (seen: HostVm, vm: VmRecord | null): void => {
    // Records come before VMs, so a VM without one was taken back or is nobody's.
    if (vm === null && !handOver.busy(seen.id)) sweep(seen, 'no record');
    else if (vm?.state === 'deleted') sweep(seen, 'its record is deleted');
  };

  const observeOne = async (seen: HostVm): Promise<void> => judge(seen, await view.take(seen));
  /** What was asked for counts even if it is known: a record may have moved on by a call that then broke. */
  const observeAsked = async (seen: HostVm, listed?: VmRecord): Promise<void> => {
    // While a call is under way, its outcome decides.
    judge(seen, handOver.busy(seen.id) ? await view.take(seen) : await view.takeAsked(seen, listed));
  };

  /** The list may be older than a hand-over: ask again before a VM is called lost. */
  const checkMissing = async ({ id }: VmRecord): Promise<void> => {
    const vm = await book.store.get(id);
    if (vm === null || !livingStates.includes(vm.state)) return;
    const seen = await host.get(vm.id, { signal: call(`looking for ${vm.id}`) });
    if (seen !== null) {
      await observeAsked(seen);
      return;
    }
    log('the host lost a VM', { vmId: vm.id, state: vm.state });
    await book.change(vm.id, (now) => advance(now, 'host_gone', world.now()));
  };

  const compare = async (): Promise<void> => {
    const living = await book.store.list({ states: livingStates });
    const records = new Map(living.map((vm) => [vm.id, vm]));
    const seen = await host.list({ signal: call('listing the VMs of the host') });
    for (const vm of seen) await observeAsked(vm, records.get(vm.id));
    const onHost = new Set(seen.map(({ id }) => id));
    for (const vm of living) if (!onHost.has(vm.id)) await checkMissing(vm);
    const waiting = await book.store.list({ states: ['requested'] });
    await Promise.all(waiting.filter(({ id }) => !handOver.busy(id)).map((vm) => handOver.giveAgain(vm)));
    for (const vm of await book.store.list({ states: ['deleting'] })) void handOver.remove(vm);
  };

  const runs = coalesce(async () => {
    try {
      await compare();
    } catch (error) {
      if (signal.aborted) return;
      const { code, detail } = asHearthError(error);
      log('reconcile stopped half-way; it runs again', { code, detail });
    }
  });

  return {
    observe: observeOne,
    ...runs,
    start: () => {
      const timer = setInterval(() => void runs.run(), PERIOD_MS);
      timer.unref();
      signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    },
  };
}
