import { HearthError, parseConfig, type CreateVm, type HostCapacity } from '@hearth/contract';
import { describe, expect, it } from 'vitest';
import { decideSize } from './limits.ts';

const limits = parseConfig({}, {}).vms;
const capacity: HostCapacity = {
  cpus: 4,
  memMiB: 8192,
  memFreeMiB: 5000,
  diskFreeMiB: 10_000,
  cpusFree: 64,
  starts: { running: 0, waiting: 0 },
  addressesFree: 10,
  accelerator: 'kvm',
};
const refusal = (body: CreateVm): HearthError => {
  try {
    decideSize(body, limits, capacity);
  } catch (error) {
    if (error instanceof HearthError) return error;
  }
  throw new Error('not refused');
};

describe('size of a new VM', () => {
  it('takes the default of the kind', () => {
    expect(decideSize({ kind: 'cli' }, limits, capacity)).toEqual({ cpus: 2, memMiB: 2048, diskMiB: 16_384 });
    expect(decideSize({ kind: 'browser' }, limits, capacity).memMiB).toBe(4096);
  });

  it('F12: refuses memory below the minimum of the kind, with every wrong field named', () => {
    const error = refusal({ kind: 'browser', memMiB: 768, cpus: 64, diskMiB: 20_000 });
    expect(error.code).toBe('bad_request');
    expect(error.options.issues?.map(({ path }) => path)).toEqual(['cpus', 'memMiB', 'diskMiB']);
    expect(error.detail).toContain('a browser VM needs at least 4096 MiB');
  });

  it('tells what never fits from what does not fit now', () => {
    expect(refusal({ kind: 'cli', memMiB: 8000 }).code).toBe('bad_request');
    expect(refusal({ kind: 'cli', memMiB: 6000 }).code).toBe('capacity_exceeded');
  });

  it('asks for no more CPUs than there are by default', () => {
    expect(decideSize({ kind: 'cli' }, limits, { ...capacity, cpus: 1 }).cpus).toBe(1);
  });
});
