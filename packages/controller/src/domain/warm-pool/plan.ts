import {
  vmKinds,
  type Config,
  type CreateVm,
  type HostCapacity,
  type Snapshot,
  type VmKind,
  type VmSize,
} from '@hearth/contract';
import type { VmRecord } from '../vms/vm-record.ts';

/** As many VMs wait as were asked for in this time. */
export const DEMAND_WINDOW_MS = 30 * 60_000;
/** The address of the refill, and one for the next person. */
const MIN_ADDRESSES_FREE = 2;

export type PoolConfig = Pick<Config, 'vms' | 'desktop'>;

export interface PoolFacts {
  config: PoolConfig;
  /** Those that nobody took yet, and that are not deleted. */
  warm: readonly VmRecord[];
  /** VMs that persons got within {@link DEMAND_WINDOW_MS}. */
  recent: readonly VmRecord[];
  /** Is a person's VM on its way? It has the machine for itself. Or is no VM created at present? */
  busy: boolean;
  /** None is to wait: the host is emptied. */
  emptying: boolean;
  snapshots: readonly Snapshot[];
  capacity: HostCapacity;
}

export interface PoolPlan {
  remove: { vm: VmRecord; why: 'failed' | 'unhealthy' | 'stale' | 'surplus' }[];
  /** What to start now; one at a time. */
  add: VmKind | null;
}

/** What a VM of that kind has where nobody says otherwise. */
export const defaultSize = ({ vms }: PoolConfig, kind: VmKind, hostCpus: number): VmSize => {
  const { cpus, memMiB, diskMiB } = vms[kind];
  return { cpus: Math.min(cpus, hostCpus), memMiB, diskMiB };
};

/** How many should wait: as many as were asked for lately, one at least, within the limits of each kind and of memory. */
export function wantedWarm(config: PoolConfig, recent: readonly VmRecord[]): Record<VmKind, number> {
  const { warm } = config.vms;
  const wanted: Record<VmKind, number> = { browser: 0, cli: 0 };
  let memFreeMiB = warm.memMiB;
  const most = Math.max(...vmKinds.map((kind) => warm[kind]));
  // In rounds, so that no kind takes all of the memory.
  for (let round = 1; round <= most; round += 1)
    for (const kind of vmKinds) {
      const asked = recent.filter((vm) => vm.kind === kind && isPlain(vm, config)).length;
      const { memMiB } = config.vms[kind];
      if (round > Math.min(warm[kind], Math.max(1, asked)) || memMiB > memFreeMiB) continue;
      wanted[kind] = round;
      memFreeMiB -= memMiB;
    }
  return wanted;
}

/** Would a warm VM have done for it? */
function isPlain({ kind, cpus, memMiB, diskMiB, desktop, forkOf }: VmRecord, config: PoolConfig): boolean {
  const wanted = config.vms[kind];
  const { width, height } = config.desktop;
  const sameScreen = desktop === null || (desktop.width === width && desktop.height === height);
  const sameSize = cpus <= wanted.cpus && memMiB === wanted.memMiB && diskMiB === wanted.diskMiB;
  return forkOf === null && sameSize && sameScreen;
}

/** Is it what a new VM of its kind would be now? */
export const isCurrent = (vm: VmRecord, config: PoolConfig, snapshots: readonly Snapshot[]): boolean =>
  isPlain(vm, config) &&
  snapshots.some(
    ({ kind, imageId, status }) => status === 'ready' && kind === vm.kind && imageId === vm.imageId,
  );

/** New ones are of another image or size. While no golden snapshot of its kind is ready, nothing says so. */
function isStale(vm: VmRecord, config: PoolConfig, snapshots: readonly Snapshot[]): boolean {
  if (!config.vms.snapshots.golden || !isPlain(vm, config)) return true;
  if (vm.imageId === null || isCurrent(vm, config, snapshots)) return false;
  return snapshots.some(({ kind, status }) => kind === vm.kind && status === 'ready');
}

/** Does a VM that waits do for what is asked? */
export function fits({ kind, cpus, memMiB, diskMiB, desktop, start }: CreateVm, vm: VmRecord): boolean {
  return (
    start !== 'cold' &&
    kind === vm.kind &&
    (cpus ?? vm.cpus) === vm.cpus &&
    (memMiB ?? vm.memMiB) === vm.memMiB &&
    (diskMiB ?? vm.diskMiB) === vm.diskMiB &&
    (desktop === undefined || (desktop.width === vm.desktop?.width && desktop.height === vm.desktop.height))
  );
}

/** What brings the pool nearer to what it should be. */
export function planPool(facts: PoolFacts): PoolPlan {
  const { config, warm, recent, snapshots } = facts;
  const wanted = facts.emptying ? { browser: 0, cli: 0 } : wantedWarm(config, recent);
  const remove: PoolPlan['remove'] = [];
  const waiting: Record<VmKind, number> = { browser: 0, cli: 0 };
  // The oldest stay: they are taken first.
  for (const vm of warm.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt))) {
    if (vm.state === 'deleting') continue;
    if (vm.state === 'failed') remove.push({ vm, why: 'failed' });
    else if (vm.finding !== null) remove.push({ vm, why: 'unhealthy' });
    else if (isStale(vm, config, snapshots)) remove.push({ vm, why: 'stale' });
    else if (waiting[vm.kind] >= wanted[vm.kind]) remove.push({ vm, why: 'surplus' });
    else waiting[vm.kind] += 1;
  }
  const settled = warm.every(({ state }) => state === 'ready');
  if (facts.busy || !settled || remove.length > 0) return { remove, add: null };
  const lacking = vmKinds
    .filter((kind) => waiting[kind] < wanted[kind] && mayStart(kind, facts))
    .toSorted((a, b) => waiting[a] - waiting[b]);
  return { remove, add: lacking[0] ?? null };
}

/** Only from memory: a warm VM that boots would cost more than it saves. And only what leaves room for a person's VM. */
function mayStart(kind: VmKind, { config, snapshots, capacity }: PoolFacts): boolean {
  const size = defaultSize(config, kind, capacity.cpus);
  const golden = snapshots.some(
    (snapshot) =>
      snapshot.status === 'ready' &&
      snapshot.kind === kind &&
      snapshot.cpus === size.cpus &&
      snapshot.memMiB === size.memMiB &&
      snapshot.diskMiB === size.diskMiB,
  );
  const largestMiB = Math.max(...vmKinds.map((one) => config.vms[one].memMiB));
  return (
    golden && capacity.memFreeMiB - size.memMiB >= largestMiB && capacity.addressesFree >= MIN_ADDRESSES_FREE
  );
}
