import {
  bootPhases,
  HearthError,
  toFailure,
  type BootPhase,
  type CreateVm,
  type Failure,
  type Geometry,
  type HostVm,
  type PhaseMark,
  type UserId,
  type Vm,
  type VmId,
  type VmSize,
} from '@hearth/contract';
import { DAY_MS, later } from '../users/lifetimes.ts';
import { eventOf, nextState, type VmEvent } from './state-table.ts';

/** A VM as the controller keeps it: what the API shows, and what the host has to be told. */
export interface VmRecord extends Vm {
  /** Correlation id of the call that created it, or took it. */
  requestId: string;
  /** How it was asked for. */
  start: NonNullable<CreateVm['start']>;
  /** Whose memory and disk it was made from. */
  forkOf: VmId | null;
  /** When the host was asked for its last start: the zero of the host's phases. */
  askedAt: string;
}

export interface NewVm {
  id: VmId;
  /** null: for the warm pool. */
  userId: UserId | null;
  kind: CreateVm['kind'];
  size: VmSize;
  desktop: Geometry | null;
  start?: VmRecord['start'];
  forkOf?: VmId;
  requestId: string;
  now: Date;
}

export function newVm({ id, userId, kind, size, desktop, start, forkOf, requestId, now }: NewVm): VmRecord {
  const createdAt = now.toISOString();
  return {
    id,
    userId,
    kind,
    state: 'requested',
    version: 0,
    cpus: size.cpus,
    memMiB: size.memMiB,
    diskMiB: size.diskMiB,
    desktop,
    ip: null,
    imageId: null,
    createdAt,
    readyAt: null,
    deletedAt: null,
    origin: null,
    lastUsedAt: null,
    hibernatedAt: null,
    deletesAt: null,
    timeline: { startedAt: createdAt, phases: [] },
    failure: null,
    finding: null,
    requestId,
    start: start ?? 'auto',
    forkOf: forkOf ?? null,
    askedAt: createdAt,
  };
}

export function toView(vm: VmRecord): Vm {
  const { requestId: _requestId, start: _start, forkOf: _forkOf, askedAt: _askedAt, ...view } = vm;
  return view;
}

/** A warm VM that gets its owner; `calledAt` is when that one asked for a VM. */
export function taken(
  vm: VmRecord,
  by: { userId: UserId; requestId: string; calledAt: Date; now: Date },
): VmRecord {
  const startedAt = by.calledAt.toISOString();
  const atMs = Math.max(0, by.now.getTime() - by.calledAt.getTime());
  return {
    ...vm,
    version: vm.version + 1,
    userId: by.userId,
    requestId: by.requestId,
    createdAt: startedAt,
    readyAt: by.now.toISOString(),
    timeline: {
      startedAt,
      phases: [
        { phase: 'taken', atMs },
        { phase: 'ready', atMs },
      ],
    },
  };
}

/** Marks a phase that the controller sees, once a start. Gives null where it is marked, or the VM is not ready. */
export function markPhase(vm: VmRecord, phase: BootPhase, now: Date): VmRecord | null {
  const { startedAt, phases } = vm.timeline;
  if (vm.state !== 'ready' || phases.some((mark) => mark.phase === phase)) return null;
  const atMs = Math.max(0, now.getTime() - Date.parse(startedAt));
  return {
    ...vm,
    version: vm.version + 1,
    timeline: { startedAt, phases: mergePhases(phases, [{ phase, atMs }]) },
  };
}

/** Is it on its way up again, resumed or restarted? Only those start a VM at another time than it was made. */
export const isComingBack = (vm: VmRecord): boolean =>
  vm.state === 'starting' && vm.timeline.startedAt !== vm.createdAt;

const lost = (vm: VmRecord, now: Date): Failure =>
  toFailure(
    new HearthError('vm_lost', `${vm.id} was ${vm.state}, and the host daemon has nothing of it any more`),
    now,
  );

/** Moves a VM by one event. Gives null where the event changes nothing. */
export function advance(
  vm: VmRecord,
  event: VmEvent,
  now: Date,
  failure: Failure | null = null,
): VmRecord | null {
  const state = nextState(vm.state, event);
  if (state === vm.state) return null;
  const next: VmRecord = { ...vm, state, version: vm.version + 1, hibernatedAt: null, deletesAt: null };
  switch (state) {
    case 'ready':
      if (vm.state === 'hibernating') return next;
      return { ...(vm.state === 'hibernated' ? restarted(next) : next), readyAt: now.toISOString() };
    case 'starting':
      if (vm.state === 'requested') return next;
      // That the host restarts a VM, or goes on with a resumption, is seen where it begins.
      return restarted(
        vm.state === 'ready' || event === 'resume_requested' ? { ...next, askedAt: now.toISOString() } : next,
      );
    case 'hibernated':
      return { ...next, ip: null, hibernatedAt: now.toISOString(), failure, finding: null };
    case 'failed':
      // The host gave its address back: another VM may have it by now (F24).
      return { ...next, ip: null, failure: failure ?? lost(vm, now) };
    case 'deleted':
      return { ...next, ip: null, deletedAt: now.toISOString() };
    case 'requested':
    case 'hibernating':
    case 'deleting':
      return next;
  }
}

/** A new start, counted from when the host was asked for it; what was of the last one is gone. */
function restarted(vm: VmRecord): VmRecord {
  return {
    ...vm,
    readyAt: null,
    failure: null,
    finding: null,
    timeline: { startedAt: vm.askedAt, phases: [] },
  };
}

/** A resumption that the host refused: the VM is hibernated as it was `before`, its time to be deleted included. */
export function resumptionTakenBack(vm: VmRecord, before: VmRecord, now: Date): VmRecord | null {
  const back = advance(vm, 'host_hibernated', now, before.failure);
  if (back === null) return null;
  const { hibernatedAt, deletesAt, readyAt, timeline } = before;
  return { ...back, hibernatedAt, deletesAt, readyAt, timeline };
}

/**
 * Takes in what the host says of a VM: its state and its facts. Gives null where nothing is new.
 * `deleteAfterDays`: how long it may be hibernated; 0: for ever.
 */
export function observe(vm: VmRecord, host: HostVm, now: Date, deleteAfterDays: number): VmRecord | null {
  const moved = observeMove(vm, host, now, deleteAfterDays);
  const next = moved ?? vm;
  if (host.finding?.at === next.finding?.at || !tellsFinding(next, host)) return moved;
  return { ...next, finding: host.finding, version: vm.version + 1 };
}

/** While it lives the host's word counts; a failed one keeps what it was found to have failed of. */
const tellsFinding = ({ state }: VmRecord, { finding }: HostVm): boolean =>
  state !== 'deleting' && state !== 'deleted' && (state !== 'failed' || finding !== null);

function observeMove(vm: VmRecord, host: HostVm, now: Date, deleteAfterDays: number): VmRecord | null {
  const known = withFacts(vm, host);
  const event = eventOf(host.state);
  const moved = event === null ? null : advance(known ?? vm, event, now, host.failure);
  if (moved === null) return known === null ? null : { ...known, version: vm.version + 1 };
  const next = withFacts(moved, host) ?? moved;
  const deletesAt =
    next.state === 'hibernated' && deleteAfterDays > 0 ? later(now, deleteAfterDays * DAY_MS) : null;
  // Only a move that made it ready is dated by the host's mark.
  const ready = next.readyAt === vm.readyAt ? vm.readyAt : readyAt(next);
  return { ...next, version: vm.version + 1, deletesAt, readyAt: ready };
}

/** Address, image, origin and phases matter while a VM comes up and runs; afterwards they are history. */
function withFacts(vm: VmRecord, host: HostVm): VmRecord | null {
  if (vm.state === 'hibernated') return withFailedResumption(vm, host);
  if (vm.state !== 'requested' && vm.state !== 'starting' && vm.state !== 'ready') return null;
  const ip = host.address?.ip ?? vm.ip;
  const imageId = host.imageId ?? vm.imageId;
  const origin = host.origin ?? vm.origin;
  const phases = mergePhases(vm.timeline.phases, ofThisStart(vm, host.phases));
  const same = ip === vm.ip && imageId === vm.imageId && origin === vm.origin;
  if (same && phases.length === vm.timeline.phases.length) return null;
  return { ...vm, ip, imageId, origin, timeline: { ...vm.timeline, phases } };
}

function withFailedResumption(vm: VmRecord, { state, failure }: HostVm): VmRecord | null {
  if (state !== 'hibernated' || failure === null || failure.at === vm.failure?.at) return null;
  return { ...vm, failure };
}

/** The host counts from when it was asked for the VM; a warm VM was taken later, and what came before is not its user's. */
function ofThisStart({ askedAt, timeline }: VmRecord, phases: readonly PhaseMark[]): PhaseMark[] {
  const offsetMs = Date.parse(askedAt) - Date.parse(timeline.startedAt);
  return phases.flatMap(({ phase, atMs }) => (atMs + offsetMs < 0 ? [] : [{ phase, atMs: atMs + offsetMs }]));
}

/** An answer that was overtaken by a newer event must not take a phase back: the first mark of a phase stays. */
function mergePhases(known: readonly PhaseMark[], seen: readonly PhaseMark[]): PhaseMark[] {
  const marks = new Map([...seen, ...known].map((mark) => [mark.phase, mark]));
  return bootPhases.flatMap((phase) => marks.get(phase) ?? []).toSorted((a, b) => a.atMs - b.atMs);
}

/** The host's own mark is nearer to the truth than when its event arrived here. */
function readyAt(vm: VmRecord): string | null {
  const mark = vm.timeline.phases.find(({ phase }) => phase === 'ready');
  if (vm.readyAt === null || mark === undefined) return vm.readyAt;
  return later(new Date(vm.timeline.startedAt), mark.atMs);
}
