import {
  parseConfig,
  snapshotIdSchema,
  type ConfigInput,
  type ImageId,
  type Snapshot,
  type UserId,
  type VmId,
  type VmKind,
} from '@hearth/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newVm, type VmRecord } from '../vms/vm-record.ts';
import { defaultSize, fits, planPool, wantedWarm, type PoolFacts } from './plan.ts';

const IMAGE = 'img-0123456789ab' as ImageId;
const OLD_IMAGE = 'img-00000000000a' as ImageId;
const capacity = {
  cpus: 16,
  memMiB: 65_536,
  memFreeMiB: 60_000,
  diskFreeMiB: 1e6,
  cpusFree: 64,
  starts: { running: 0, waiting: 0 },
  addressesFree: 100,
  accelerator: 'kvm' as const,
};
const configOf = (vms: ConfigInput['vms'] = {}) => parseConfig({ vms }, {});
const config = configOf({ warm: { cli: 3, browser: 2, memMiB: 100_000 } });

let count = 0;
const vmOf = (kind: VmKind, part: Partial<VmRecord> = {}): VmRecord => {
  count += 1;
  const { width, height } = config.desktop;
  return {
    ...newVm({
      id: `vm-${String(count).padStart(12, '0')}` as VmId,
      userId: null,
      kind,
      size: defaultSize(config, kind, capacity.cpus),
      desktop: kind === 'browser' ? { width, height } : null,
      requestId: 'request-1',
      now: new Date(count * 1000),
    }),
    state: 'ready',
    imageId: IMAGE,
    ...part,
  };
};
const golden = (kind: VmKind, part: Partial<Snapshot> = {}): Snapshot => ({
  id: snapshotIdSchema.parse('snp-000000000000'),
  createdAt: '2026-01-01T00:00:00.000Z',
  kind,
  ...defaultSize(config, kind, capacity.cpus),
  imageId: IMAGE,
  bytes: 1,
  status: 'ready',
  detail: '',
  clones: 0,
  ...part,
});
const facts = (part: Partial<PoolFacts> = {}): PoolFacts => ({
  ...{ config, warm: [], recent: [], busy: false, emptying: false, capacity },
  snapshots: [golden('cli'), golden('browser')],
  ...part,
});
const owned = (kind: VmKind, part: Partial<VmRecord> = {}): VmRecord =>
  vmOf(kind, { userId: 'usr-000000000000' as UserId, ...part });
const many = (kind: VmKind, length: number): VmRecord[] => Array.from({ length }, () => owned(kind));

describe('how many wait', () => {
  it('one at least, as many as were asked for lately, and no more than allowed', () => {
    expect(wantedWarm(config, [])).toEqual({ cli: 1, browser: 1 });
    expect(wantedWarm(config, [...many('cli', 2), ...many('browser', 9)])).toEqual({ cli: 2, browser: 2 });
    expect(wantedWarm(configOf({ warm: { cli: 0, browser: 0 } }), many('cli', 9))).toEqual({
      cli: 0,
      browser: 0,
    });
  });

  it('what had another size, or was forked, is no demand', () => {
    const others = [owned('cli', { memMiB: 4096 }), owned('cli', { forkOf: 'vm-000000000001' as VmId })];
    expect(wantedWarm(config, [...others, ...others]).cli).toBe(1);
  });

  it('never more than the memory for them', () => {
    const numbers = fc.record({
      cli: fc.nat(8),
      browser: fc.nat(8),
      memMiB: fc.nat(40_000),
      asked: fc.nat(9),
    });
    fc.assert(
      fc.property(numbers, ({ asked, ...warm }) => {
        const limited = configOf({ warm });
        const wanted = wantedWarm(limited, [...many('cli', asked), ...many('browser', asked)]);
        const { vms } = limited;
        const memMiB = wanted.cli * vms.cli.memMiB + wanted.browser * vms.browser.memMiB;
        expect(memMiB).toBeLessThanOrEqual(warm.memMiB);
        expect(wanted.cli).toBeLessThanOrEqual(Math.min(warm.cli, Math.max(1, asked)));
      }),
    );
  });
});

describe('what is done next', () => {
  it('one VM is started, of the kind of which fewest wait', () => {
    expect(planPool(facts())).toEqual({ remove: [], add: 'browser' });
    expect(planPool(facts({ warm: [vmOf('browser')] }))).toEqual({ remove: [], add: 'cli' });
    expect(planPool(facts({ warm: [vmOf('browser'), vmOf('cli')] })).add).toBeNull();
  });

  it.each<[string, Partial<PoolFacts>]>([
    ['a person’s VM is on its way', { busy: true }],
    ['a warm VM is on its way', { warm: [vmOf('cli', { state: 'starting' })] }],
    ['a warm VM is being removed', { warm: [vmOf('cli', { state: 'deleting' })] }],
    ['there is no golden snapshot', { snapshots: [] }],
    [
      'the snapshot is stale',
      { snapshots: [golden('cli', { status: 'stale' }), golden('browser', { status: 'invalid' })] },
    ],
    ['the snapshot has another size', { snapshots: [golden('cli', { memMiB: 512 })] }],
    ['a person’s largest VM would find no room', { capacity: { ...capacity, memFreeMiB: 4096 + 2047 } }],
    ['addresses are short', { capacity: { ...capacity, addressesFree: 1 } }],
  ])('nothing is started while %s', (_why, part) => {
    expect(planPool(facts(part)).add).toBeNull();
  });

  it('what failed, is stale, or is too much goes; the oldest stay', () => {
    const failed = vmOf('cli', { state: 'failed' });
    const old = vmOf('browser', { imageId: OLD_IMAGE });
    const otherSize = vmOf('cli', { memMiB: 512 });
    const [first, second] = [vmOf('cli'), vmOf('cli')];
    const { remove, add } = planPool(facts({ warm: [second, failed, old, otherSize, first] }));
    expect(remove).toEqual([
      { vm: failed, why: 'failed' },
      { vm: old, why: 'stale' },
      { vm: otherSize, why: 'stale' },
      { vm: second, why: 'surplus' },
    ]);
    expect(add).toBeNull();
  });

  it('nothing is called stale while no snapshot says so', () => {
    const warm = [vmOf('cli'), vmOf('browser')];
    expect(planPool(facts({ warm, snapshots: [] })).remove).toEqual([]);
    // Its files are hashed again, say.
    const unsure = [golden('cli', { status: 'stale' }), golden('browser', { status: 'invalid' })];
    expect(planPool(facts({ warm, snapshots: unsure })).remove).toEqual([]);
    const other = [golden('cli', { imageId: OLD_IMAGE })];
    expect(planPool(facts({ warm, snapshots: other })).remove).toMatchObject([{ why: 'stale' }]);
    const off = configOf({ snapshots: { golden: false } });
    expect(planPool(facts({ warm, config: off, snapshots: [] })).remove).toHaveLength(2);
  });
});

it('a warm VM does where what is asked for is what it has', () => {
  const [cli, browser] = [vmOf('cli'), vmOf('browser')];
  expect(fits({ kind: 'cli' }, cli)).toBe(true);
  expect(
    fits({ kind: 'cli', cpus: cli.cpus, memMiB: cli.memMiB, diskMiB: cli.diskMiB, start: 'auto' }, cli),
  ).toBe(true);
  expect(fits({ kind: 'browser' }, cli)).toBe(false);
  expect(fits({ kind: 'cli', memMiB: cli.memMiB + 1 }, cli)).toBe(false);
  expect(fits({ kind: 'cli', start: 'cold' }, cli)).toBe(false);
  expect(fits({ kind: 'cli', desktop: { width: 800, height: 600 } }, cli)).toBe(false);
  const { width, height } = config.desktop;
  expect(fits({ kind: 'browser', desktop: { width, height } }, browser)).toBe(true);
  expect(fits({ kind: 'browser', desktop: { width: width + 1, height } }, browser)).toBe(false);
});
