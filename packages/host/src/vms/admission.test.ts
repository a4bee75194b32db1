import { HearthError, parseConfig } from '@hearth/contract';
import { expect, test } from 'vitest';
import { createAdmission, thisMachine } from './admission.ts';

const config = parseConfig(
  { stateDir: '/tmp', vms: { reserveMemMiB: 1000, reserveDiskMiB: 500, cpuOvercommit: 2 } },
  {},
);
const machine = { memMiB: 9000, cpus: 4, diskFreeMiB: () => 501 };
const open = (part: Partial<typeof machine> = {}, draining = false) =>
  createAdmission(config, () => draining, { ...machine, ...part });
const vm = { cpus: 2, memMiB: 2000 };

test('F30: a VM that the host has no memory for is refused with both numbers', () => {
  open().admit(vm, [vm, vm, vm]);
  expect(() => open().admit(vm, [vm, vm, vm, vm])).toThrow(/asks for 2000 MiB of memory.*has 0 MiB left/);
  expect(() => open().admit({ ...vm, memMiB: 8001 }, [])).toThrow(/asks for 8001 MiB.*has 8000 MiB left/);
});

test('F30: no VM gets more CPUs than the machine has, nor all of them together more than may be promised', () => {
  const small = { cpus: 2, memMiB: 1 };
  expect(() => open().admit({ ...small, cpus: 5 }, [])).toThrow(/asks for 5 CPUs, the host has 4/);
  open().admit(small, [small, small, small]);
  expect(() => open().admit(small, [small, small, small, { cpus: 1, memMiB: 1 }])).toThrow(
    /asks for 2 CPUs, the host has 1 left to promise.*vms\.cpuOvercommit, 2/,
  );
});

test('F30: the disk that stays with the host is not given away', () => {
  open().admit(vm, []);
  expect(() => open({ diskFreeMiB: () => 500 }).admit(vm, [])).toThrow(
    /\/tmp has 500 MiB of disk free, of which vms\.reserveDiskMiB keeps 500/,
  );
});

test('a host that drains takes nothing, however much room it has', () => {
  expect(() => open({}, true).admit(vm, [])).toThrow(
    expect.objectContaining<Partial<HearthError>>({ code: 'host_draining' }),
  );
});

test('what is free is what was not promised, below zero where too much was', () => {
  expect(open().free([vm])).toEqual({ memMiB: 6000, cpus: 6, diskMiB: 1 });
  expect(open().free([{ cpus: 9, memMiB: 9000 }])).toEqual({ memMiB: -1000, cpus: -1, diskMiB: 1 });
});

test('this machine is looked at', () => {
  const { memMiB, cpus, diskFreeMiB } = thisMachine({ stateDir: '/' });
  for (const size of [memMiB, cpus, diskFreeMiB()]) expect(size).toBeGreaterThan(0);
});
