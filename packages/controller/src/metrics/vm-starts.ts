import { splitPhases, type PhaseMark, type VmId, type VmKind } from '@hearth/contract';
import type { VmRecord } from '../domain/vms/vm-record.ts';

/** A start of a VM that ended. */
export interface VmStart {
  kind: VmKind;
  outcome: 'ready' | 'failed';
}

/** The way of a VM to its user. */
export interface VmWay {
  kind: VmKind;
  /** What it came up from; warm: it was there already. */
  origin: string;
  /** With milliseconds since the VM was asked for. */
  phases: readonly PhaseMark[];
}

export interface StartObserver {
  started: (start: VmStart) => void;
  way: (way: VmWay) => void;
}

/**
 * Tells each end of a start once, however often a VM changes. What ended before `sinceMs` (epoch), when this controller
 * started, was told by the one before.
 */
export function observeStarts(
  sinceMs: number,
  { started, way }: StartObserver,
): (id: VmId, vm: VmRecord | null) => void {
  /** When it became ready, and failed, as it was told last. */
  const told = new Map<VmId, { readyAt: string | null; failedAt: string | null }>();
  const isNew = (at: string | null, before: string | null | undefined): at is string =>
    at !== null && at !== before && Date.parse(at) >= sinceMs;

  return (id, vm) => {
    const before = told.get(id);
    if (vm === null || vm.state === 'deleted') {
      told.delete(id);
      return;
    }
    const { kind, state, readyAt, timeline, origin } = vm;
    const failedAt = vm.failure?.at ?? null;
    told.set(id, { readyAt, failedAt });
    if (state === 'ready' && isNew(readyAt, before?.readyAt)) {
      const { toReady } = splitPhases(timeline.phases);
      const wasWarm = toReady.some(({ phase }) => phase === 'taken');
      if (!wasWarm) started({ kind, outcome: 'ready' });
      way({ kind, origin: wasWarm ? 'warm' : (origin ?? 'unknown'), phases: toReady });
    }
    // One that was ready died later: its start had succeeded. Where its disk is kept it is hibernated then.
    const failedToStart = readyAt === null && (state === 'failed' || state === 'hibernated');
    if (failedToStart && isNew(failedAt, before?.failedAt)) started({ kind, outcome: 'failed' });
  };
}
