import { HearthError, toFailure, type UserId, type VmId } from '@hearth/contract';
import { expect, it } from 'vitest';
import { advance, newVm, resumptionTakenBack, taken, type VmRecord } from '../vms/vm-record.ts';
import { PROBE_REQUEST_ID, startOutcomeOf } from './start-outcome.ts';

const at = (seconds: number): Date => new Date(Date.parse('2026-01-01T00:00:00.000Z') + seconds * 1000);
const userId = 'usr-000000000000' as UserId;
const fresh = (owner: UserId | null = userId, requestId = 'request-1'): VmRecord =>
  newVm({
    ...{ id: 'vm-000000000000' as VmId, userId: owner, kind: 'cli', desktop: null, requestId, now: at(0) },
    size: { cpus: 1, memMiB: 2048, diskMiB: 1024 },
  });
const moved = (
  vm: VmRecord,
  event: Parameters<typeof advance>[1],
  seconds: number,
  code?: 'kernel_panic' | 'vm_lost',
): VmRecord => {
  const failure = code === undefined ? null : toFailure(new HearthError(code, 'so it was'), at(seconds));
  return advance(vm, event, at(seconds), failure) ?? vm;
};

it('a start counts once it ended, whatever becomes of the VM afterwards', () => {
  expect(startOutcomeOf(fresh())).toBeNull();
  const ready = moved(fresh(), 'host_ready', 5);
  const success = { failed: null, atMs: at(5).getTime(), probe: false };
  expect(startOutcomeOf(ready)).toMatchObject(success);
  expect(startOutcomeOf(moved(ready, 'host_failed', 9, 'kernel_panic'))).toEqual(startOutcomeOf(ready));
  expect(startOutcomeOf(moved(ready, 'delete_requested', 9))).toEqual(startOutcomeOf(ready));
});

it('a start that failed counts, unless its failure says nothing about the host’s health', () => {
  const failed = startOutcomeOf(moved(fresh(null, PROBE_REQUEST_ID), 'host_failed', 5, 'kernel_panic'));
  expect(failed).toMatchObject({ failed: { failure: { code: 'kernel_panic' } }, probe: true });
  expect(startOutcomeOf(moved(fresh(), 'host_failed', 5, 'vm_lost'))).toBeNull();
  expect(startOutcomeOf(moved(fresh(), 'delete_requested', 5))).toBeNull();
});

it('a resumption is a start of its own, one that was refused is none', () => {
  const asleep = moved(moved(fresh(), 'host_ready', 5), 'host_hibernated', 10);
  const starting = moved(asleep, 'resume_requested', 20);
  expect(startOutcomeOf(starting)).toBeNull();
  const back = resumptionTakenBack(starting, asleep, at(21)) ?? starting;
  expect(startOutcomeOf(back)).toBeNull();
  const failed = moved(starting, 'host_hibernated', 25, 'kernel_panic');
  expect(startOutcomeOf(failed)?.failed?.failure.code).toBe('kernel_panic');
  const again = moved(failed, 'resume_requested', 30);
  expect(startOutcomeOf(resumptionTakenBack(again, failed, at(31)) ?? again)).toEqual(startOutcomeOf(failed));
});

it('a warm VM that is taken doesn’t count anew', () => {
  const warm = moved(fresh(null), 'host_ready', 5);
  const mine = taken(warm, { userId, requestId: 'request-2', calledAt: at(100), now: at(100) });
  expect(startOutcomeOf(mine)).toMatchObject({ start: startOutcomeOf(warm)?.start, atMs: at(0).getTime() });
});
