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

test('F23: one works in their own newest CLI VM that lives, ready before starting', () => {
  const vm = (id: string, state: Vm['state'], createdAt: string, more: Partial<Vm> = {}): Vm =>
    ({ id, state, createdAt, kind: 'cli', userId: 'me', ...more }) as Vm;
  const vms = [
    vm('old', 'ready', '2026-01-01'),
    vm('new', 'ready', '2026-01-02'),
    vm('starting', 'starting', '2026-01-03'),
    vm('dead', 'deleted', '2026-01-04'),
    vm('failed', 'failed', '2026-01-04'),
    vm('desktop', 'ready', '2026-01-05', { kind: 'browser' }),
    vm('other', 'ready', '2026-01-06', { userId: 'you' as Vm['userId'] }),
  ];
  expect(pickOwn(vms, 'me')?.id).toBe('new');
  expect(pickOwn(vms.slice(2), 'me')?.id).toBe('starting');
  expect(pickOwn(vms.slice(3), 'me')).toBeUndefined();
});
