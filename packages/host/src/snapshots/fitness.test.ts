import { expect, test } from 'vitest';
import type { SnapshotMachine, SnapshotManifest } from '@hearth/contract';
import { isOfSize, kernelHash, unfitReasons } from './fitness.ts';
import { snapshotIdOf } from './make-golden.ts';
import { testImage, testMachine } from './test-golden.ts';

const file = { path: '/x', sha256: 'a'.repeat(64), bytes: 1 };
const snapshot = {
  ...{ kind: 'cli', cpus: 2, memMiB: 2048, diskMiB: 16_384, desktop: null, imageId: testImage.id },
  ...{ kernelSha256: kernelHash(testImage), machine: testMachine, memory: file, state: file, upper: file },
} as SnapshotManifest;
const onMachine = (part: Partial<SnapshotMachine>) =>
  unfitReasons(snapshot, { ...testMachine, ...part }, testImage);

test('a snapshot fits where it was made', () => {
  expect(onMachine({})).toEqual([]);
});

test.each<[string, Partial<SnapshotMachine>, RegExp]>([
  ['another VMM', { vmm: { name: 'firecracker', version: '7.2' } }, /VMM qemu 7\.2, this is firecracker/],
  ['another version', { vmm: { name: 'qemu', version: '9.0' } }, /qemu 7\.2, this is qemu 9\.0/],
  ['another accelerator', { accelerator: 'kvm' }, /accelerator tcg, this is kvm/],
  ['another model', { model: 'q35 max' }, /machine model/],
  ['another processor', { processor: 'EPYC 1' }, /processor any, this is EPYC 1/],
  ['another clock rate', { tscKhz: 2_503_000 }, /time stamp counter 2500000 kHz/],
])('it does not fit %s', (_what, part, reason) => {
  expect(onMachine(part).join()).toMatch(reason);
});

test('a clock rate that is off by a measuring error fits', () => {
  expect(onMachine({ tscKhz: 2_500_600 })).toEqual([]);
});

test('it does not fit another image, nor the same with another kernel', () => {
  const other = { ...testImage, id: 'img-bbbbbbbbbbbb' as typeof testImage.id };
  expect(unfitReasons(snapshot, testMachine, other).join()).toMatch(/image img-a+, this is img-b+/);
  const rebuilt = { ...testImage, initrd: { ...file, sha256: 'b'.repeat(64) } };
  expect(unfitReasons(snapshot, testMachine, rebuilt).join()).toMatch(/kernel/);
});

test('a VM of another kind or size is not cloned from it', () => {
  const wanted = { kind: 'cli', cpus: 2, memMiB: 2048, diskMiB: 16_384 } as const;
  expect(isOfSize(snapshot, wanted)).toBe(true);
  for (const other of [{ kind: 'browser' }, { cpus: 1 }, { memMiB: 4096 }, { diskMiB: 1024 }] as const)
    expect(isOfSize(snapshot, { ...wanted, ...other })).toBe(false);
});

test('the id follows from what is in a snapshot, and from nothing else', () => {
  const wanted = {
    kind: 'browser',
    cpus: 2,
    memMiB: 4096,
    diskMiB: 16_384,
    desktop: { width: 1280, height: 720 },
  } as const;
  const id = snapshotIdOf(testImage, wanted, testMachine);
  expect(id).toMatch(/^snp-[0-9a-f]{12}$/);
  expect(
    snapshotIdOf({ ...testImage, createdAt: 'later' } as typeof testImage, { ...wanted }, { ...testMachine }),
  ).toBe(id);
  const others = [
    snapshotIdOf(testImage, { ...wanted, memMiB: 2048 }, testMachine),
    snapshotIdOf(testImage, { ...wanted, desktop: { width: 800, height: 600 } }, testMachine),
    snapshotIdOf(testImage, wanted, { ...testMachine, vmm: { name: 'qemu', version: '9.0' } }),
    snapshotIdOf({ id: 'img-bbbbbbbbbbbb' as typeof testImage.id }, wanted, testMachine),
  ];
  expect(new Set([id, ...others]).size).toBe(5);
});
