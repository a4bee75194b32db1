import { HearthError, toFailure, type VmId } from '@hearth/contract';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  closedBreaker,
  isProbeDue,
  stepBreaker,
  toBreaker,
  type BreakerEvent,
  type BreakerModel,
  type BreakerPolicy,
  type StartFailure,
} from './breaker.ts';

const policy: BreakerPolicy = { minFailures: 3, failureRate: 0.5, windowMinutes: 10, coolDownSeconds: 60 };
const WINDOW_MS = 10 * 60_000;
const T0 = Date.parse('2026-01-01T00:00:00.000Z');
const idOf = (number: number): VmId => `vm-${String(number).padStart(12, '0')}` as VmId;
const failureOf = (number: number): StartFailure => ({
  vmId: idOf(number),
  kind: 'cli',
  failure: toFailure(new HearthError('guest_not_ready', 'no agent'), new Date(T0)),
  finding: null,
});
const outcome = (number: number, ok: boolean, nowMs: number, probe = false): BreakerEvent => ({
  type: 'outcome',
  outcome: { vmId: idOf(number), start: 'first', atMs: nowMs, failed: ok ? null : failureOf(number), probe },
  nowMs,
});
const after = (...events: BreakerEvent[]): BreakerModel =>
  events.reduce((model, event) => stepBreaker(model, event, policy), closedBreaker());

it('opens at enough failures and a high enough rate, and says what the last one failed of', () => {
  expect(after(outcome(1, false, T0), outcome(2, false, T0)).state).toBe('closed');
  const healthy = [1, 2, 3].map((number) => outcome(number, true, T0));
  const ill = [4, 5, 6].map((number) => outcome(number, false, T0));
  expect(after(...healthy, ...ill).state).toBe('closed');
  const open = after(...healthy, ...ill, outcome(7, false, T0 + 5));
  expect(toBreaker(open, T0 + 5, policy)).toMatchObject({
    ...{ state: 'open', failures: 4, successes: 3, probeVmId: null },
    ...{ openedAt: new Date(T0 + 5).toISOString(), probeAt: new Date(T0 + 60_005).toISOString() },
    reason: { vmId: idOf(7), failure: { code: 'guest_not_ready' } },
  });
});

it('counts one start once, however often it is told, and learns later what was found', () => {
  const told = [outcome(1, false, T0), outcome(1, false, T0 + 1), outcome(1, false, T0 + 2)];
  expect(after(...told).state).toBe('closed');
  const finding = { ...failureOf(3), finding: { cause: 'agent_masked' } as StartFailure['finding'] };
  const late: BreakerEvent = {
    type: 'outcome',
    outcome: { vmId: idOf(3), start: 'first', atMs: T0, failed: finding, probe: false },
    nowMs: T0 + 1,
  };
  const open = after(outcome(1, false, T0), outcome(2, false, T0), outcome(3, false, T0), late);
  expect([open.outcomes.length, open.reason?.finding?.cause]).toEqual([3, 'agent_masked']);
});

const open = (): BreakerEvent[] => [1, 2, 3].map((number) => outcome(number, false, T0));
const begun: BreakerEvent = { type: 'probe_begun', vmId: idOf(9), nowMs: T0 + 60_000 };

it('is half open while a probe is on its way, and only the probe decides', () => {
  expect(isProbeDue(after(...open()), T0 + 59_999)).toBe(false);
  expect(isProbeDue(after(...open()), T0 + 60_000)).toBe(true);
  const half = after(...open(), begun, outcome(8, true, T0 + 60_001));
  expect([half.state, half.probeVmId, isProbeDue(half, T0 + 999_999)]).toEqual(['half_open', idOf(9), false]);
  const closed = stepBreaker(half, outcome(9, true, T0 + 60_002, true), policy);
  expect(toBreaker(closed, T0 + 60_002, policy)).toMatchObject({
    ...{ state: 'closed', failures: 0, successes: 0, reason: null, openedAt: null },
  });
  // What failed before counts no more, even if it is told again.
  expect(stepBreaker(closed, outcome(1, false, T0), policy)).toBe(closed);
  const again = stepBreaker(half, outcome(9, false, T0 + 60_002, true), policy);
  expect(toBreaker(again, T0 + 60_002, policy)).toMatchObject({
    ...{ state: 'open', probeVmId: null, probeAt: new Date(T0 + 120_002).toISOString() },
    ...{ openedAt: new Date(T0).toISOString(), reason: { vmId: idOf(9) } },
  });
  const lost = stepBreaker(half, { type: 'probe_lost', vmId: idOf(9), nowMs: T0 + 70_000 }, policy);
  expect([lost.state, lost.probeAtMs, lost.reason]).toEqual(['open', T0 + 130_000, half.reason]);
});

it('holds what it promises through any sequence of outcomes, probes and hands', () => {
  const anyStep = fc.record({
    waitMs: fc.nat(WINDOW_MS / 4),
    what: fc.constantFrom('ok', 'fails', 'probe', 'probe_ok', 'probe_fails', 'probe_lost', 'hand'),
  });
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      let model = closedBreaker();
      let nowMs = T0;
      /** The reference: ends of starts since the last closing. */
      let ended: { atMs: number; ok: boolean }[] = [];
      steps.forEach(({ waitMs, what }, number) => {
        nowMs += waitMs + 1;
        const before = model;
        if (what === 'probe' && !isProbeDue(model, nowMs)) return;
        if (what.startsWith('probe_') && model.probeVmId === null) return;
        const event: BreakerEvent =
          what === 'hand'
            ? { type: 'closed_by_hand', nowMs }
            : what === 'probe'
              ? { type: 'probe_begun', vmId: idOf(number), nowMs }
              : what === 'probe_lost'
                ? { type: 'probe_lost', vmId: model.probeVmId ?? idOf(0), nowMs }
                : outcome(number, what === 'ok' || what === 'probe_ok', nowMs, what.startsWith('probe_'));
        model = stepBreaker(model, event, policy);
        if (event.type === 'outcome') ended.push({ atMs: nowMs, ok: event.outcome.failed === null });
        if (model.state === 'closed' && before.state !== 'closed') ended = [];
        const recent = ended.filter(({ atMs }) => atMs > nowMs - WINDOW_MS);
        const failures = recent.filter(({ ok }) => !ok).length;

        expect(toBreaker(model, nowMs, policy)).toMatchObject({
          failures,
          successes: recent.length - failures,
        });
        const tooMany = failures >= policy.minFailures && failures / recent.length > policy.failureRate;
        if (before.state === 'closed')
          expect(model.state).toBe(what === 'fails' && tooMany ? 'open' : 'closed');
        if (before.state === 'open') {
          const next = what === 'probe' ? 'half_open' : what === 'hand' ? 'closed' : 'open';
          expect(model.state).toBe(next);
        }
        if (before.state === 'half_open') {
          const next: Record<string, string | undefined> = {
            ...{ probe_ok: 'closed', hand: 'closed', probe_fails: 'open', probe_lost: 'open' },
          };
          expect(model.state).toBe(next[what] ?? 'half_open');
        }
        const closed = model.state === 'closed';
        expect([model.reason === null, model.openedAtMs === null]).toEqual([closed, closed]);
        expect(model.probeVmId === null).toBe(model.state !== 'half_open');
        expect(model.probeAtMs === null).toBe(model.state !== 'open');
      });
    }),
    { numRuns: 500 },
  );
});
