import { splitPhases, type BootPhase, type Vm } from '@hearth/contract';
import { phaseUnderWay, wayOf } from './phase-words.ts';

export interface Bar {
  phase: BootPhase;
  fromMs: number;
  toMs: number;
  /** done: reached; running: under way; broken: it was under way when the boot ended without success. */
  state: 'done' | 'running' | 'broken';
}

export interface TimelineLayout {
  bars: Bar[];
  /** Room for bars: as many as there will be, so that a live picture doesn't grow. */
  rows: number;
  /** Right end of the time axis: a little more than what there is, so that a live picture needn't rescale each moment. */
  axisMs: number;
  /** Round times for the axis' marks, 0 first. */
  ticksMs: number[];
  /** From the request to the last thing known. */
  totalMs: number;
}

/** Axis ends that a live picture grows through. */
const MARKS = [1, 2, 5];
const MAX_TICKS = 5;

/**
 * Lays the phases of a start out on a time axis, each from the end of the one before, up to `ready`: what comes later,
 * when someone looks, may come after hours.
 * @param elapsedMs since the request, by the server's clock; matters only while the VM starts
 */
export function layOut(
  vm: Pick<Vm, 'state' | 'origin' | 'failure' | 'timeline'>,
  elapsedMs: number,
): TimelineLayout {
  const { state, timeline } = vm;
  const reached = splitPhases(timeline.phases).toReady;
  const bars: Bar[] = reached.map(({ phase, atMs }, index) => ({
    phase,
    fromMs: reached[index - 1]?.atMs ?? 0,
    toMs: atMs,
    state: 'done',
  }));
  const lastMs = reached.at(-1)?.atMs ?? 0;
  const underWay = phaseUnderWay(vm);
  const live = state === 'requested' || state === 'starting';
  // A VM can fail or be deleted long after it was ready: nothing was under way then.
  const broke = state === 'failed' || (state === 'hibernated' && vm.failure !== null && reached.length > 0);
  if (underWay !== null && (live || broke)) {
    bars.push({
      phase: underWay,
      fromMs: lastMs,
      toMs: live ? Math.max(elapsedMs, lastMs) : lastMs,
      state: live ? 'running' : 'broken',
    });
  }
  const totalMs = bars.at(-1)?.toMs ?? 0;
  const axisMs = live ? roundUp(Math.max(totalMs, 1000)) : Math.max(totalMs, 1);
  const stepMs = tickStep(axisMs);
  const ticksMs = Array.from({ length: Math.floor(axisMs / stepMs) + 1 }, (_, index) => index * stepMs);
  return { bars, rows: Math.max(wayOf(vm).length, bars.length), axisMs, ticksMs, totalMs };
}

/** The next of 1, 2, 5, 10, 20 … (times a power of ten). */
function roundUp(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  return (MARKS.find((mark) => mark * power >= ms) ?? 10) * power;
}

function tickStep(axisMs: number): number {
  const step = roundUp(axisMs / MAX_TICKS);
  return Math.max(1, step);
}
