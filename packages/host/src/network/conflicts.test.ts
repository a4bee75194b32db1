import { parseConfig } from '@hearth/contract';
import { expect, test } from 'vitest';
import { planNetwork } from './addressing.ts';
import { checkConflicts, type InterfaceAddresses, type Route } from './conflicts.ts';

const config = parseConfig({}, {});
const check = (routes: Route[], interfaces: InterfaceAddresses[] = []): void =>
  checkConflicts(config.network, planNetwork(config), routes, interfaces);

test('F5: a route into the subnet is refused by its name, with the key to change', () => {
  expect(() => check([{ dst: '192.168.0.0/16', gateway: '10.0.0.1', dev: 'tun0', table: 220 }])).toThrow(
    /network\.subnet: 192\.168\.100\.0\/24 overlaps the route 192\.168\.0\.0\/16 via 10\.0\.0\.1 dev tun0 \(table 220\)/,
  );
  expect(() => check([{ dst: '192.168.99.2', dev: 'eth1' }])).toThrow(/network\.transitSubnet/);
  expect(() => check([{ dst: '192.168.100.0/24', dev: 'other-up' }])).toThrow(/dev other-up/);
});

test('F5: an address of the host in the subnet is refused', () => {
  expect(() =>
    check([], [{ ifname: 'eth0', addr_info: [{ local: '192.168.100.7', prefixlen: 24 }] }]),
  ).toThrow(/the address 192\.168\.100\.7\/24 on eth0/);
});

test('default routes, those to nowhere, IPv6 and our own are no collision', () => {
  check(
    [
      { dst: 'default', gateway: '192.0.2.1', dev: 'eth0' },
      { dst: '0.0.0.0/1', dev: 'tun0' },
      { dst: '128.0.0.0/1', dev: 'tun0' },
      { dst: '192.168.0.0/16', type: 'blackhole' },
      { dst: 'fe80::/64', dev: 'eth0' },
      { dst: '192.168.100.0/24', gateway: '192.168.99.2', dev: 'hearth-up' },
      { dst: '10.0.0.0/8', dev: 'eth0' },
    ],
    [{ ifname: 'hearth-up', addr_info: [{ local: '192.168.99.1', prefixlen: 30 }] }, {}],
  );
});
