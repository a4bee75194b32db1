import { bootPhases, hostVmStates, vmStates, type HostVm, type UserId, type VmId } from '@hearth/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextState, vmEvents, vmStateTable } from './state-table.ts';
import { advance, newVm, observe, type VmRecord } from './vm-record.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
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
const hostVm = (state: HostVm['state'], phases: number): HostVm => ({
  id: 'vm-000000000000' as VmId,
  kind: 'cli',
  state,
  cpus: 1,
  memMiB: 2048,
  diskMiB: 1024,
  desktop: null,
  imageId: null,
  address: null,
  phases: bootPhases.slice(0, phases).map((phase, index) => ({ phase, atMs: index })),
  failure: null,
  version: 0,
});

const step = fc.oneof(
  fc.record({ event: fc.constantFrom(...vmEvents) }),
  fc.record({ host: fc.constantFrom(...hostVmStates), phases: fc.nat(bootPhases.length) }),
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
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let vm = fresh();
        for (const one of steps) {
          const next =
            'event' in one ? advance(vm, one.event, NOW) : observe(vm, hostVm(one.host, one.phases), NOW);
          if (next === null) continue;
          expect(vm.state).not.toBe('deleted');
          expect(next.version).toBe(vm.version + 1);
          if (vm.state === 'failed') expect(next.state).toBe('deleting');
          if (vm.state === 'deleting') expect(next.state).toBe('deleted');
          if (vm.failure !== null) expect(next.failure).toEqual(vm.failure);
          if (vm.readyAt !== null && vm.state !== 'starting') expect(next.readyAt).toBe(vm.readyAt);
          expect(next.timeline.phases.length).toBeGreaterThanOrEqual(vm.timeline.phases.length);
          if (next.state === 'failed') expect(next.failure).not.toBeNull();
          if (next.state === 'deleted' || next.state === 'failed') expect(next.ip, 'F24').toBeNull();
          expect((next.deletedAt === null) === (next.state !== 'deleted')).toBe(true);
          vm = next;
        }
      }),
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
    const ready = observe(fresh(), hostVm('ready', bootPhases.length), NOW);
    expect(ready?.readyAt).toBe('2026-01-01T00:00:00.008Z');
    const lost = ready === null ? null : advance(ready, 'host_gone', NOW);
    expect(lost).toMatchObject({ state: 'failed', failure: { code: 'vm_lost', layer: 'host' } });
  });
});
