import { HearthError, toFailure, type ErrorCode, type UserId, type VmId } from '@hearth/contract';
import { expect, it } from 'vitest';
import type { VmEvent } from '../domain/vms/state-table.ts';
import { advance, newVm, type VmRecord } from '../domain/vms/vm-record.ts';
import { observeStarts, type VmStart } from './vm-starts.ts';

const ID = 'vm-000000000001' as VmId;
const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const fresh = newVm({
  ...{ id: ID, userId: 'usr-000000000000' as UserId, kind: 'cli', requestId: 'request-1', now: at(0) },
  ...{ size: { cpus: 1, memMiB: 512, diskMiB: 512 }, desktop: null },
});
const moved = (vm: VmRecord, event: VmEvent, second: number, code?: ErrorCode): VmRecord =>
  advance(
    vm,
    event,
    at(second),
    code === undefined ? null : toFailure(new HearthError(code, 'planted'), at(second)),
  ) ?? vm;

/** The starts that are told of these views, each of which comes twice. */
function startsOf(...views: VmRecord[]): VmStart['outcome'][] {
  const told: VmStart['outcome'][] = [];
  const observe = observeStarts(0, { started: ({ outcome }) => told.push(outcome), way: () => undefined });
  for (const vm of views) for (const view of [vm, vm]) observe(ID, view);
  return told;
}

it('a VM that dies after it was ready is no failed start, also where its disk is kept', () => {
  const ready = moved(fresh, 'host_ready', 5);
  expect(startsOf(ready, moved(ready, 'host_failed', 9, 'vmm_failed'))).toEqual(['ready']);
  expect(startsOf(ready, moved(ready, 'host_hibernated', 9, 'vmm_failed'))).toEqual(['ready']);
});

it('a creation and a resumption that fail are failed starts', () => {
  expect(startsOf(moved(fresh, 'host_failed', 5, 'kernel_panic'))).toEqual(['failed']);
  const ready = moved(fresh, 'host_ready', 5);
  const resuming = moved(moved(ready, 'host_hibernated', 9), 'resume_requested', 20);
  expect(startsOf(ready, resuming, moved(resuming, 'host_hibernated', 25, 'kernel_panic'))).toEqual([
    'ready',
    'failed',
  ]);
});
