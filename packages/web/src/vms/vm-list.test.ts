import { vmSchema, type Vm } from '@hearth/contract';
import { expect, it } from 'vitest';
import { emptyVmList, makeVmListFollower, withVm, type VmList } from './vm-list.ts';

const vm = (name: string, changes: Partial<Record<keyof Vm, unknown>> = {}): Vm =>
  vmSchema.parse({
    ...{
      id: `vm-00000000000${name}`,
      userId: 'usr-000000000000',
      kind: 'cli',
      state: 'starting',
      version: 1,
    },
    ...{
      cpus: 1,
      memMiB: 512,
      diskMiB: 512,
      desktop: null,
      ip: null,
      imageId: null,
      readyAt: null,
      deletedAt: null,
      origin: null,
      lastUsedAt: null,
      hibernatedAt: null,
      deletesAt: null,
    },
    ...{ createdAt: `2026-01-01T00:00:0${name}.000Z`, failure: null, finding: null },
    timeline: { startedAt: '2026-01-01T00:00:00.000Z', phases: [] },
    ...changes,
  });

it('has the newest VM first, and no deleted one', () => {
  const list = withVm(withVm(withVm([], vm('1')), vm('3')), vm('2'));
  expect(list.map(({ id }) => id.at(-1))).toEqual(['3', '2', '1']);
  expect(withVm(list, vm('3', { state: 'deleted', version: 9 })).map(({ id }) => id.at(-1))).toEqual([
    '2',
    '1',
  ]);
});

it('has no warm VM, which is nobody’s yet', () => {
  expect(withVm([], vm('1', { userId: null }))).toEqual([]);
});

it('does not go back to older news', () => {
  const list = withVm([], vm('1', { state: 'ready', version: 5 }));
  expect(withVm(list, vm('1', { state: 'starting', version: 4 }))).toBe(list);
  expect(withVm(list, vm('1', { state: 'failed', version: 6 }))[0]?.state).toBe('failed');
});

it('keeps what it knew while a stream begins again, and drops what that stream did not tell', () => {
  let list: VmList = emptyVmList;
  const follower = makeVmListFollower((change) => (list = change(list)));
  const ids = (): string[] => list.vms.map(({ id }) => id.at(-1) ?? '');
  follower.opened();
  follower.take({ type: 'vm', vm: vm('1') });
  follower.take({ type: 'vm', vm: vm('2') });
  expect(list.listed).toBe(false);
  follower.take({ type: 'listed' });
  expect([list.listed, ids()]).toEqual([true, ['2', '1']]);
  follower.take({ type: 'vm', vm: vm('3') });

  follower.opened();
  follower.take({ type: 'vm', vm: vm('1') });
  expect(ids()).toEqual(['3', '2', '1']);
  follower.take({ type: 'vm', vm: vm('3') });
  follower.take({ type: 'listed' });
  expect(ids()).toEqual(['3', '1']);
});
