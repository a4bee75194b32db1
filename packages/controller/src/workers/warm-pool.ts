import {
  asHearthError,
  HearthError,
  makeId,
  startProgress,
  vmIdSchema,
  vmKinds,
  withAbort,
  type CreateVm,
  type ErrorCode,
  type HostCapacity,
  type Log,
  type Snapshot,
  type VmKind,
  type VmState,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import { isProbe } from '../domain/admission/start-outcome.ts';
import { later } from '../domain/users/lifetimes.ts';
import { advance, newVm, type VmRecord } from '../domain/vms/vm-record.ts';
import { decideDesktop } from '../domain/vms/limits.ts';
import {
  defaultSize,
  DEMAND_WINDOW_MS,
  fits,
  isCurrent,
  planPool,
  type PoolConfig,
} from '../domain/warm-pool/plan.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { HandOver } from '../vms/hand-over.ts';
import type { VmBook } from '../vms/vm-book.ts';
import { coalesce } from './coalesce.ts';

/** Changes of VMs wake the pool; that a snapshot is made, or that memory is free, it finds out by looking. */
const PERIOD_MS = 15_000;
const CALL_TIMEOUT_MS = 10_000;
/** After a warm VM that did not come up, none of its kind is started for this time. */
const RETRY_MS = 5 * 60_000;
const REQUEST_ID = 'warm-pool';
const livingStates: readonly VmState[] = ['requested', 'starting', 'ready', 'failed', 'deleting'];
const startingStates: readonly VmState[] = ['requested', 'starting'];
/** The host has no room: what waits may be in the way. */
const fullErrors: readonly ErrorCode[] = ['capacity_exceeded', 'addresses_exhausted'];

export interface WarmPoolDeps {
  book: VmBook;
  handOver: HandOver;
  host: HostLink;
  config: PoolConfig;
  /** Is no VM created at present, for nobody? */
  paused: () => boolean;
  /** Is the host to be emptied? Then none waits. */
  emptying: () => boolean;
  world: World;
  log: Log;
  signal: AbortSignal;
}

/** VMs that were started before anybody asked for them, and wait. */
export interface WarmPool {
  /** Those that do for what is asked for, the longest waiting first. */
  waiting(wanted: CreateVm): Promise<VmRecord[]>;
  /** Does what needs room on the host. Where that is refused for lack of it, warm VMs are given up one by one. */
  withRoom<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Brings the pool nearer to what it should be. */
  run(): Promise<void>;
  start(): void;
  settled(): Promise<void>;
}

export function createWarmPool(deps: WarmPoolDeps): WarmPool {
  const { book, handOver, host, config, paused, emptying, world, log, signal } = deps;
  const enabled = vmKinds.some((kind) => config.vms.warm[kind] > 0);
  const retryAtMs = new Map<VmKind, number>();
  let snapshots: readonly Snapshot[] = [];
  /** Calls that wait for room. */
  let yielding = 0;
  let outage = false;

  const call = (what: string) => ({
    signal: startProgress({ what, timeoutMs: CALL_TIMEOUT_MS, signal }).signal,
    requestId: REQUEST_ID,
  });
  // The circuit breaker's probe is nobody's as well, and waits for nobody.
  const listWarm = async (): Promise<VmRecord[]> =>
    (await book.store.list({ userId: null, states: livingStates })).filter((vm) => !isProbe(vm));
  /** Resolves once nothing is left of the VM; false where it was taken meanwhile, or could not be removed. */
  const giveUp = async ({ id }: VmRecord): Promise<boolean> => {
    const vm = await book.change(id, (now) =>
      now.userId === null ? advance(now, 'delete_requested', world.now()) : null,
    );
    if (vm === null) return true;
    if (vm.userId !== null) return false;
    if (vm.state === 'deleting') await handOver.remove(vm);
    return (await book.store.get(id))?.state === 'deleted';
  };
  const giveUpOne = async (): Promise<boolean> => {
    const warm = await listWarm();
    const vm = warm.find(({ state }) => state !== 'deleting') ?? warm[0];
    if (vm === undefined) return false;
    log('a warm VM gives way to a person’s', { vmId: vm.id });
    return giveUp(vm);
  };

  const refill = async (kind: VmKind, { cpus }: HostCapacity): Promise<void> => {
    const id = vmIdSchema.parse(makeId('vm', world.randomBytes));
    const size = defaultSize(config, kind, cpus);
    const desktop = decideDesktop({ kind }, config.desktop);
    const vm = newVm({ id, userId: null, kind, size, desktop, requestId: REQUEST_ID, now: world.now() });
    await book.store.insertWarm(vm);
    try {
      await handOver.give(vm);
    } catch (error) {
      if (await book.store.discard(vm)) book.changes.publish(id, null);
      retryAtMs.set(kind, world.now().getTime() + RETRY_MS);
      const { code, detail } = asHearthError(error);
      log('the host refused a warm VM; the pool waits before it tries again', { kind, code, detail });
    }
  };
  const step = async (): Promise<void> => {
    const warm = await listWarm();
    if (!enabled && warm.length === 0) return;
    ({ snapshots } = await host.snapshots(call('listing snapshots')));
    const capacity = await host.capacity(call('asking the host for room'));
    const nowMs = world.now().getTime();
    const recent = await book.store.list({ since: later(world.now(), -DEMAND_WINDOW_MS) });
    const starting = await book.store.list({ states: startingStates });
    const busy = yielding > 0 || paused() || starting.some(({ userId }) => userId !== null);
    const usable = snapshots.filter(({ kind }) => (retryAtMs.get(kind) ?? 0) <= nowMs);
    const plan = planPool({
      ...{ config, warm, busy, capacity, emptying: emptying() },
      recent: recent.filter(({ userId }) => userId !== null),
      snapshots: usable,
    });
    for (const { vm, why } of plan.remove) {
      log('a warm VM is given up', { vmId: vm.id, kind: vm.kind, why, code: vm.failure?.code });
      // Lost with the host daemon's earlier life, it says nothing of the next one.
      if (why === 'failed' && vm.failure?.code !== 'vm_lost') retryAtMs.set(vm.kind, nowMs + RETRY_MS);
      await giveUp(vm);
    }
    if (plan.add !== null) await refill(plan.add, capacity);
  };
  const runs = coalesce(async () => {
    try {
      if (!signal.aborted) await step();
      outage = false;
    } catch (error) {
      const { code, detail } = asHearthError(error);
      if (!outage && !signal.aborted) log('the warm pool could not be looked after', { code, detail });
      outage = true;
    }
  });

  return {
    waiting: async (wanted) => {
      if (!enabled) return [];
      const ready = await book.store.list({ userId: null, states: ['ready'] });
      return ready
        .filter((vm) => !isProbe(vm) && vm.finding === null)
        .filter((vm) => fits(wanted, vm) && isCurrent(vm, config, snapshots))
        .toReversed();
    },
    withRoom: async (act, caller) => {
      let waits = false;
      try {
        for (;;)
          try {
            return await act();
          } catch (error) {
            if (!(error instanceof HearthError) || !fullErrors.includes(error.code)) throw error;
            if (!waits) yielding += 1;
            waits = true;
            if (!(await withAbort(giveUpOne(), caller))) throw error;
          }
      } finally {
        if (waits) yielding -= 1;
      }
    },
    ...runs,
    start: () => {
      if (!enabled) return;
      const unsubscribe = book.changes.subscribeAll((_id, vm) => {
        const settled = vm !== null && !startingStates.includes(vm.state);
        if (settled) void runs.run();
      });
      const timer = setInterval(() => void runs.run(), PERIOD_MS);
      timer.unref();
      const stop = (): void => {
        clearInterval(timer);
        unsubscribe();
      };
      signal.addEventListener('abort', stop, { once: true });
    },
  };
}
