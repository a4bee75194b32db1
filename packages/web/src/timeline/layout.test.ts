import type { BootPhase, PhaseMark, Vm } from '@hearth/contract';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { layOut as layOutVm, type TimelineLayout } from './layout.ts';
import { phaseUnderWay, wayOf } from './phase-words.ts';

const start = (marks: readonly PhaseMark[], origin: Vm['origin'] = null) => ({
  origin,
  timeline: { startedAt: '2026-01-01T00:00:00.000Z', phases: [...marks] },
});
const boot = wayOf(start([]));
const layOut = (marks: readonly PhaseMark[], state: Vm['state'], elapsedMs: number): TimelineLayout =>
  layOutVm({ ...start(marks), state, failure: null }, elapsedMs);
const reached = (...phases: BootPhase[]): PhaseMark[] =>
  phases.map((phase, index) => ({ phase, atMs: index }));
const marks = (...atMs: number[]): PhaseMark[] =>
  atMs.map((at, index) => ({ phase: boot[index] ?? 'ready', atMs: at }));

it('shows each phase from the end of the one before, and the one under way until now', () => {
  const { bars, totalMs, axisMs } = layOut(marks(10, 40, 60), 'starting', 900);
  expect(bars).toEqual([
    { phase: 'admitted', fromMs: 0, toMs: 10, state: 'done' },
    { phase: 'disk', fromMs: 10, toMs: 40, state: 'done' },
    { phase: 'tap', fromMs: 40, toMs: 60, state: 'done' },
    { phase: 'vmm', fromMs: 60, toMs: 900, state: 'running' },
  ]);
  expect([totalMs, axisMs]).toEqual([900, 1000]);
});

it('goes no further back than what was reached where the clocks differ', () => {
  expect(layOut(marks(10, 40), 'starting', -5000).bars.at(-1)).toMatchObject({ fromMs: 40, toMs: 40 });
});

it('ends with what was under way when it failed, and with ready when it got there', () => {
  expect(layOut(marks(10, 40), 'failed', 99_999).bars.at(-1)).toEqual({
    phase: 'tap',
    fromMs: 40,
    toMs: 40,
    state: 'broken',
  });
  const complete = marks(1, 2, 3, 4, 5, 6, 7, 8, 9, 4000);
  for (const state of ['ready', 'failed', 'deleting'] as const)
    expect(layOut(complete, state, 99_999).bars.at(-1)).toMatchObject({
      phase: 'ready',
      state: 'done',
      toMs: 4000,
    });
});

it('has every bar and tick on its axis, few ticks, whatever the times', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 3e6, noNaN: true }), { maxLength: 10 }),
      fc.constantFrom('starting' as const, 'ready' as const, 'failed' as const),
      fc.integer({ min: -1000, max: 4_000_000 }),
      (times, state, elapsedMs) => {
        const { bars, axisMs, ticksMs } = layOut(marks(...times), state, elapsedMs);
        let before = 0;
        for (const { fromMs, toMs } of bars) {
          expect(fromMs).toBe(before);
          expect(toMs).toBeGreaterThanOrEqual(fromMs);
          expect(toMs).toBeLessThanOrEqual(axisMs * (1 + 1e-9));
          before = toMs;
        }
        expect(ticksMs[0]).toBe(0);
        expect(ticksMs.length).toBeLessThanOrEqual(6);
        expect(ticksMs.at(-1)).toBeLessThanOrEqual(axisMs);
      },
    ),
  );
});

it.each([
  [reached('vmm'), null, 'kernel'],
  [reached('vmm'), 'snapshot', 'load'],
  [reached('vmm', 'load'), null, 'resume'],
  [reached('vmm', 'load', 'resume', 'agent'), 'hibernation', 'identity'],
  // What a snapshot could not do, a boot does.
  [reached('vmm', 'load', 'kernel'), 'snapshot', 'init'],
  [reached('vmm', 'kernel', 'init', 'network', 'agent'), 'image', 'identity'],
  [reached('taken'), 'snapshot', 'ready'],
  [reached('taken', 'ready', 'thaw'), 'snapshot', null],
] as const)('knows what comes next on each way: %j from %s: %s', (phases, origin, next) => {
  expect(phaseUnderWay(start(phases, origin))).toBe(next);
});

it('leaves out what came when someone looked, hours later', () => {
  const { bars, axisMs, rows } = layOut(
    [...reached('taken', 'ready'), { phase: 'first_frame', atMs: 7_200_000 }],
    'ready',
    0,
  );
  expect([bars.map(({ phase }) => phase), axisMs, rows]).toEqual([['taken', 'ready'], 1, 2]);
});
