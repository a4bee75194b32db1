import type { HostCapacity } from '@hearth/contract';
import { describe, expect, it } from 'vitest';
import { createEncodingChooser, isNearby } from './encoding-choice.ts';

const host = (accelerator: HostCapacity['accelerator']) => async (): Promise<HostCapacity> => ({
  cpus: 1,
  memMiB: 1,
  memFreeMiB: 1,
  diskFreeMiB: 1,
  cpusFree: 64,
  starts: { running: 0, waiting: 0 },
  addressesFree: 1,
  accelerator,
});
const here = { address: '127.0.0.1', proxied: false };

describe('what the VNC server is asked for', () => {
  it.each([
    ['127.0.0.1', true],
    ['::1', true],
    ['::ffff:192.168.1.7', true],
    ['10.255.0.1', true],
    ['172.31.0.1', true],
    ['172.32.0.1', false],
    ['fd00::1', true],
    ['203.0.113.1', false],
    ['2001:db8::1', false],
    ['', false],
    ['nonsense', false],
  ])('the address %j is nearby: %j', (address, expected) => {
    expect(isNearby(address)).toBe(expected);
  });

  it('is Raw where VMs are emulated and the viewer is near', async () => {
    const auto = createEncodingChooser('auto');
    expect(await auto(here, host('unknown'))).toBe('viewer');
    expect(await auto(here, host('tcg'))).toBe('raw-first');
    expect(await auto({ address: '203.0.113.1', proxied: false }, host('tcg'))).toBe('viewer');
    expect(await auto({ ...here, proxied: true }, host('tcg'))).toBe('viewer');
    expect(await createEncodingChooser('auto')(here, host('kvm'))).toBe('viewer');
  });

  it('is what the configuration says, without asking', async () => {
    const ask = (): Promise<HostCapacity> => Promise.reject(new Error('asked'));
    expect(await createEncodingChooser('raw')({ address: '203.0.113.1', proxied: true }, ask)).toBe(
      'raw-first',
    );
    expect(await createEncodingChooser('tight')(here, ask)).toBe('viewer');
  });
});
