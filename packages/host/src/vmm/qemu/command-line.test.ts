import { expect, test } from 'vitest';
import type { VmmSpec } from '../vmm.ts';
import { qemuArguments } from './command-line.ts';

const spec: VmmSpec = {
  vmId: 'vm-000000000001' as VmmSpec['vmId'],
  cpus: 2,
  memMiB: 2048,
  memory: null,
  kernelPath: '/k',
  initrdPath: '/i',
  kernelArguments: ['quiet', 'systemd.hostname=vm-000000000001'],
  drives: [
    { id: 'base', path: '/b', readOnly: true },
    { id: 'upper', path: '/u', readOnly: false },
  ],
  tap: 'tap1',
  mac: '02:48:0a:00:00:02',
  consolePath: '/c',
  controlSocketPath: '/s',
  monitorSocketPath: '/q',
  logPath: '/l',
  pidPath: '/p',
  saveSocketPath: '/v',
};
const argument = (list: string[], name: string): string => list[list.indexOf(name) + 1] ?? '';

test('F1: the kernel gets no address, only the identity', () => {
  const append = argument(
    qemuArguments(spec, { accelerator: 'tcg', tscKhz: 2_600_000, vmmUser: 'u' }),
    '-append',
  );
  expect(append).toContain('tsc_early_khz=2600000 tsc=reliable');
  expect(append).not.toMatch(/\bip=/);
  expect(append.length).toBeLessThan(2048);
});

test('the base is opened read-only and without a lock, the upper is not', () => {
  const drives = qemuArguments(spec, { accelerator: 'kvm', tscKhz: 1, vmmUser: null }).filter((text) =>
    text.startsWith('id='),
  );
  expect(drives[0]).toMatch(/readonly=on.*file\.locking=off/);
  expect(drives[1]).toMatch(/readonly=off/);
  expect(drives[1]).not.toMatch(/locking/);
});

test('QEMU steps down and is sandboxed; under KVM the guest has the host CPU', () => {
  const list = qemuArguments(spec, { accelerator: 'kvm', tscKhz: 1, vmmUser: 'hearth-vmm' });
  expect(argument(list, '-runas')).toBe('hearth-vmm');
  expect(argument(list, '-sandbox')).toContain('spawn=deny');
  expect(argument(list, '-accel')).toBe('kvm');
  expect(argument(list, '-append')).not.toContain('tsc_early_khz');
});

test('a clone maps the golden memory privately, its maker writes into it; both name it alike', () => {
  const object = (memory: VmmSpec['memory']): string =>
    argument(qemuArguments({ ...spec, memory }, { accelerator: 'tcg', tscKhz: 1, vmmUser: null }), '-object');
  expect(object(null)).toBe('memory-backend-ram,id=ram,size=2048M');
  expect(object({ path: '/m', shared: false })).toBe(
    'memory-backend-file,id=ram,size=2048M,mem-path=/m,share=off',
  );
  expect(object({ path: '/m', shared: true })).toMatch(/id=ram,.*share=on$/);
});
