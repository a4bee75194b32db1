import {
  bootPhases,
  HearthError,
  toFailure,
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
import { eventOf, nextState, type VmEvent } from './state-table.ts';

/** A VM as the controller keeps it: what the API shows, and which call asked for it. */
export interface VmRecord extends Vm {
  /** Correlation id of the call that created it. */
  requestId: string;
}

export interface NewVm {
  id: VmId;
  userId: UserId;
  kind: CreateVm['kind'];
  size: VmSize;
  desktop: Geometry | null;
  requestId: string;
  now: Date;
}

export function newVm({ id, userId, kind, size, desktop, requestId, now }: NewVm): VmRecord {
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
    timeline: { startedAt: createdAt, phases: [] },
    failure: null,
    requestId,
  };
}

export function toView({ requestId: _requestId, ...vm }: VmRecord): Vm {
  return vm;
}

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
  const next: VmRecord = { ...vm, state, version: vm.version + 1 };
  switch (state) {
    case 'ready':
      return { ...next, readyAt: now.toISOString() };
    case 'failed':
      // The host gave its address back: another VM may have it by now (F24).
      return { ...next, ip: null, failure: failure ?? lost(vm, now) };
    case 'deleted':
      return { ...next, ip: null, deletedAt: now.toISOString() };
    case 'requested':
    case 'starting':
    case 'deleting':
      return next;
  }
}

/** Takes in what the host says of a VM: its state and its facts. Gives null where nothing is new. */
export function observe(vm: VmRecord, host: HostVm, now: Date): VmRecord | null {
  const known = withFacts(vm, host);
  const event = eventOf(host.state);
  const moved = event === null ? null : advance(known ?? vm, event, now, host.failure);
  if (moved !== null) return { ...moved, version: vm.version + 1, readyAt: vm.readyAt ?? readyAt(moved) };
  return known === null ? null : { ...known, version: vm.version + 1 };
}

/** Address, image and phases matter while a VM comes up and runs; afterwards they are history. */
function withFacts(vm: VmRecord, host: HostVm): VmRecord | null {
  if (vm.state !== 'requested' && vm.state !== 'starting' && vm.state !== 'ready') return null;
  const ip = host.address?.ip ?? vm.ip;
  const imageId = host.imageId ?? vm.imageId;
  const phases = mergePhases(vm.timeline.phases, host.phases);
  if (ip === vm.ip && imageId === vm.imageId && phases.length === vm.timeline.phases.length) return null;
  return { ...vm, ip, imageId, timeline: { ...vm.timeline, phases } };
}

/** An answer that was overtaken by a newer event must not take a phase back: the first mark of a phase stays. */
function mergePhases(known: readonly PhaseMark[], seen: readonly PhaseMark[]): PhaseMark[] {
  const marks = new Map([...seen, ...known].map((mark) => [mark.phase, mark]));
  return bootPhases.flatMap((phase) => marks.get(phase) ?? []);
}

/** The host's own mark is nearer to the truth than when its event arrived here. */
function readyAt(vm: VmRecord): string | null {
  const mark = vm.timeline.phases.find(({ phase }) => phase === 'ready');
  if (vm.readyAt === null || mark === undefined) return vm.readyAt;
  return new Date(Date.parse(vm.timeline.startedAt) + mark.atMs).toISOString();
}
