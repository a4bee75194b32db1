import type { GuestAddress } from '@hearth/contract';
import { describe, expect, it } from 'vitest';
import { watchAddress } from './address-watcher.ts';
import { parseGateways, readAddresses } from './addresses.ts';

const routes = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0164A8C0\t0003\t0\t0\t1024\t00000000\t0\t0\t0
eth0\t0064A8C0\t00000000\t0001\t0\t0\t1024\t00FFFFFF\t0\t0\t0
`;

describe('addresses', () => {
  it('reads gateways', () => {
    expect([...parseGateways(routes)]).toEqual([['eth0', '192.168.100.1']]);
    expect([...parseGateways('nonsense\n\nx y')]).toEqual([]);
  });

  it('joins links, addresses and routes; a card without an address is listed too', async () => {
    const addresses = await readAddresses({
      links: async () => [
        { name: 'eth0', mac: '02:00:00:00:00:01' },
        { name: 'eth1', mac: '02:00:00:00:00:02' },
      ],
      routes: async () => routes,
      interfaces: () => ({
        eth0: [
          {
            family: 'IPv4',
            address: '192.168.100.7',
            cidr: '192.168.100.7/24',
            netmask: '255.255.255.0',
            mac: '',
            internal: false,
          },
        ],
      }),
    });
    expect(addresses).toEqual([
      {
        interface: 'eth0',
        mac: '02:00:00:00:00:01',
        ip: '192.168.100.7',
        prefixLength: 24,
        gateway: '192.168.100.1',
      },
      { interface: 'eth1', mac: '02:00:00:00:00:02', ip: null, prefixLength: null, gateway: null },
    ]);
  });

  it('F1: tells the address that the guest got, and every change of it', async () => {
    const at = (ip: string | null): GuestAddress => ({
      interface: 'eth0',
      mac: 'm',
      ip,
      prefixLength: ip === null ? null : 24,
      gateway: ip === null ? null : '192.168.100.1',
    });
    let now = at(null);
    const told: (string | null)[] = [];
    const watcher = watchAddress({
      interfaceName: 'eth0',
      read: async () => [now],
      onChange: ({ ip }) => void told.push(ip),
      log: () => undefined,
      searchMs: 5,
      watchMs: 5,
    });
    try {
      expect(watcher.current()).toBeNull();
      now = at('192.168.100.7');
      await expect.poll(() => told).toEqual(['192.168.100.7']);
      now = at('192.168.100.8');
      await expect.poll(() => told).toEqual(['192.168.100.7', '192.168.100.8']);
      now = at(null);
      await expect.poll(() => told.at(-1)).toBeNull();
    } finally {
      watcher.stop();
    }
  });
});
