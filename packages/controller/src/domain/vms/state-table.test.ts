import {
  bootPhases,
  HearthError,
  hostVmStates,
  makeFinding,
  toFailure,
  vmStates,
  type HostVm,
  type UserId,
  type VmId,
} from '@hearth/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextState, vmEvents, vmStateTable } from './state-table.ts';
import {
  advance,
  isComingBack,
  newVm,
  observe,
  resumptionTakenBack,
  taken,
  type VmRecord,
} from './vm-record.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const KEEP_DAYS = 14;
const FAILURE = toFailure(new HearthError('snapshot_invalid', 'the memory was altered'), NOW);
const fresh = (): VmRecord =>
  newVm({
    id: 'vm-000000000000' as VmId,
    userId: 'usr-000000000000' as UserId,
    kind: 'cli',
    size: { cpus: 1, memMiB: 2048, diskMiB: 1024 },
    desktop: null,
    requestId: 'request-1',
    now: NOW,
  });
const hostVm = (state: HostVm['state'], phases: number, failure: HostVm['failure'] = null): HostVm => ({
  id: 'vm-000000000000' as VmId,
  kind: 'cli',
  state,
  cpus: 1,
  memMiB: 2048,
  diskMiB: 1024,
  desktop: null,
  imageId: null,
  address: null,
  origin: null,
  phases: bootPhases.slice(0, phases).map((phase, index) => ({ phase, atMs: index })),
  credentials: [],
  failure,
  finding: null,
  version: 0,
});

const step = fc.oneof(
  fc.record({ event: fc.constantFrom(...vmEvents) }),
  fc.record({
    host: fc.constantFrom(...hostVmStates),
    phases: fc.nat(bootPhases.length),
    failed: fc.boolean(),
  }),
);

describe('VM state table', () => {
  it('lists only known states and events', () => {
    expect(Object.keys(vmStateTable).toSorted()).toEqual([...vmStates].toSorted());
    for (const row of Object.values(vmStateTable))
      for (const [event, state] of Object.entries(row)) {
        expect(vmEvents).toContain(event);
        expect(vmStates).toContain(state);
      }
  });

  it('F22: a terminal state never changes, a failure is never taken back, versions only grow', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let vm = fresh();
        for (const [second, one] of steps.entries()) {
          const now = new Date(NOW.getTime() + second * 1000);
          const next =
            'event' in one
              ? advance(vm, one.event, now)
              : observe(vm, hostVm(one.host, one.phases, one.failed ? FAILURE : null), now, KEEP_DAYS);
          if (next === null) continue;
          expect(vm.state).not.toBe('deleted');
          expect(next.version).toBe(vm.version + 1);
          if (vm.state === 'failed') {
            expect(next.state).toBe('deleting');
            expect(next.failure).toEqual(vm.failure);
          }
          if (vm.state === 'deleting') expect(next.state).toBe('deleted');
          const restarted =
            (vm.state === 'hibernated' && ['starting', 'ready'].includes(next.state)) ||
            (vm.state === 'ready' && next.state === 'starting');
          if (restarted) {
            expect(next.failure).toBeNull();
            expect(next.finding).toBeNull();
            if (next.state === 'starting') expect(next.readyAt).toBeNull();
          } else {
            if (vm.readyAt !== null) expect(next.readyAt).toBe(vm.readyAt);
            expect(next.timeline.phases.length).toBeGreaterThanOrEqual(vm.timeline.phases.length);
            expect(next.timeline.startedAt).toBe(vm.timeline.startedAt);
          }
          const marks = next.timeline.phases.map(({ atMs }) => atMs);
          expect(marks).toEqual(marks.toSorted((x, y) => x - y));
          if (next.state === 'ready') expect(next.readyAt).not.toBeNull();
          if (next.state === 'failed') expect(next.failure).not.toBeNull();
          if (['requested', 'starting', 'ready', 'hibernating'].includes(next.state))
            expect(next.failure).toBeNull();
          if (['deleted', 'failed', 'hibernated'].includes(next.state)) expect(next.ip, 'F24').toBeNull();
          expect((next.deletedAt === null) === (next.state !== 'deleted')).toBe(true);
          expect((next.hibernatedAt === null) === (next.state !== 'hibernated')).toBe(true);
          if (next.state !== 'hibernated') expect(next.deletesAt).toBeNull();
          vm = next;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('reaches deleted from every state by asking and by the host being done', () => {
    for (const state of vmStates) {
      const asked = nextState(state, 'delete_requested');
      expect(nextState(asked, 'host_gone')).toBe('deleted');
    }
  });

  it('says nothing about a VM that the host was not told of yet', () => {
    expect(advance(fresh(), 'host_gone', NOW)).toBeNull();
  });

  it('names the loss where the host has nothing of a VM any more', () => {
    const ready = observe(fresh(), hostVm('ready', bootPhases.length), NOW, KEEP_DAYS);
    const readyMs = bootPhases.indexOf('ready');
    expect(Date.parse(ready?.readyAt ?? '') - NOW.getTime()).toBe(readyMs);
    const lost = ready === null ? null : advance(ready, 'host_gone', NOW);
    expect(lost).toMatchObject({ state: 'failed', failure: { code: 'vm_lost', layer: 'host' } });
  });

  const at = (minutes: number): Date => new Date(NOW.getTime() + minutes * 60_000);
  const hibernated = (): VmRecord => {
    const ready = observe(fresh(), hostVm('ready', bootPhases.length), NOW, KEEP_DAYS) ?? fresh();
    return observe(ready, hostVm('hibernated', 0), at(1), KEEP_DAYS) ?? ready;
  };

  it('a hibernated VM says since when, and when it will be deleted', () => {
    const vm = hibernated();
    expect(vm).toMatchObject({ state: 'hibernated', ip: null, hibernatedAt: at(1).toISOString() });
    expect(vm.deletesAt).toBe(at(1 + KEEP_DAYS * 24 * 60).toISOString());
    expect(observe(fresh(), hostVm('hibernated', 0), NOW, 0)?.deletesAt ?? null).toBeNull();
  });

  it('a resumption counts its phases from when it was asked for', () => {
    const vm = hibernated();
    const starting = advance(vm, 'resume_requested', at(5)) ?? vm;
    const timeline = { startedAt: at(5).toISOString(), phases: [] };
    expect(starting).toMatchObject({ state: 'starting', readyAt: null, hibernatedAt: null, timeline });
    const ready = observe(
      starting,
      { ...hostVm('ready', 0), phases: [{ phase: 'ready', atMs: 70 }] },
      at(6),
      14,
    );
    expect(ready?.readyAt).toBe(new Date(at(5).getTime() + 70).toISOString());
  });

  it('a resumption that failed leaves the cause, one that was refused leaves nothing', () => {
    const vm = hibernated();
    const starting = advance(vm, 'resume_requested', at(5)) ?? vm;
    const failed = observe(starting, hostVm('hibernated', 0, FAILURE), at(6), KEEP_DAYS);
    expect(failed).toMatchObject({ state: 'hibernated', failure: FAILURE, ip: null });
    const back = resumptionTakenBack(starting, vm, at(6));
    expect(back).toEqual({ ...vm, version: starting.version + 1, askedAt: starting.askedAt });
  });

  it('a restart, whoever asked for it, counts its phases anew, and what was found is gone', () => {
    const finding = makeFinding('agent_hung', 'agent', 'no answer for 30 s', NOW);
    const well = observe(fresh(), hostVm('ready', bootPhases.length), NOW, KEEP_DAYS) ?? fresh();
    const ill = observe(well, { ...hostVm('ready', bootPhases.length), finding }, at(1), KEEP_DAYS) ?? well;
    expect(ill).toMatchObject({ state: 'ready', finding, readyAt: well.readyAt });
    const again = observe(ill, hostVm('creating', 1), at(2), KEEP_DAYS) ?? ill;
    const timeline = { startedAt: at(2).toISOString(), phases: [{ phase: bootPhases[0], atMs: 0 }] };
    expect(again).toMatchObject({ state: 'starting', readyAt: null, finding: null, timeline });
    expect(isComingBack(again)).toBe(true);
    const up = observe(
      again,
      { ...hostVm('ready', 0), phases: [{ phase: 'ready', atMs: 900 }] },
      at(3),
      KEEP_DAYS,
    );
    expect(up?.readyAt).toBe(new Date(at(2).getTime() + 900).toISOString());
  });

  it('a warm VM that is taken begins then, whatever the host says of its boot', () => {
    const warm = { ...fresh(), userId: null };
    const ready = observe(warm, hostVm('ready', bootPhases.length), NOW, KEEP_DAYS) ?? warm;
    const userId = 'usr-000000000001' as UserId;
    const now = new Date(at(10).getTime() + 4);
    const vm = taken(ready, { userId, requestId: 'request-2', calledAt: at(10), now });
    const phases = [
      { phase: 'taken', atMs: 4 },
      { phase: 'ready', atMs: 4 },
    ];
    expect(vm).toMatchObject({ userId, createdAt: at(10).toISOString(), timeline: { phases } });
    expect(observe(vm, hostVm('ready', bootPhases.length), now, KEEP_DAYS)).toBeNull();
    // Thawed ten minutes and a second after the host was asked for it: a second after it was taken.
    const thawed = { ...hostVm('ready', 0), phases: [{ phase: 'thaw' as const, atMs: 601_000 }] };
    expect(observe(vm, thawed, now, KEEP_DAYS)?.timeline.phases.at(-1)).toEqual({
      phase: 'thaw',
      atMs: 1000,
    });
  });
});
