import type { Vm, VmState } from '@hearth/contract';
import { expect, test } from 'vitest';
import { pickOwn } from './own-vm.ts';

const vms = (...states: VmState[]): Vm[] =>
  states.map(
    (state, index) =>
      ({ id: `vm-${index}`, userId: 'ada', kind: 'cli', state, createdAt: `2026-01-0${index + 1}` }) as Vm,
  );
const pick = (...states: VmState[]): VmState | undefined => pickOwn(vms(...states), 'ada')?.state;

test('a VM that is up goes before one that comes up, and that before one that sleeps; others are no use', () => {
  expect(pick('hibernated', 'starting', 'ready', 'failed')).toBe('ready');
  expect(pick('failed', 'starting', 'hibernated')).toBe('starting');
  expect(pick('failed', 'hibernated', 'deleting')).toBe('hibernated');
  expect(pick('failed', 'deleting')).toBeUndefined();
});

test('of those that sleep the newest; nobody else’s, and none of the warm pool', () => {
  expect(pickOwn(vms('hibernated', 'hibernated'), 'ada')?.id).toBe('vm-1');
  const warm = vms('ready').map((vm): Vm => ({ ...vm, userId: null }));
  expect(pickOwn(warm, 'ada')).toBeUndefined();
  expect(pickOwn(vms('ready'), 'bob')).toBeUndefined();
});
