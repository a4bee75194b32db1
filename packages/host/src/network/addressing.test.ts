import { parseConfig } from '@hearth/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ipToNumber,
  macOf,
  numberToIp,
  overlaps,
  parseAllowed,
  planNetwork,
  rangeOf,
  tapOf,
  withoutNested,
} from './addressing.ts';

test('the plan follows from subnet, transit subnet and name', () => {
  const plan = planNetwork(parseConfig({ name: 'prod-a' }, {}));
  expect(plan).toMatchObject({
    gateway: '192.168.100.1',
    netmask: '255.255.255.0',
    broadcast: '192.168.100.255',
    transitHost: '192.168.99.1',
    transitNamespace: '192.168.99.2',
    uplinkHost: 'prod-a-up',
    namespacePath: '/run/netns/prod-a',
    hostTable: 'hearth_prod_a',
  });
  expect(numberToIp(plan.firstVm)).toBe('192.168.100.2');
  expect(numberToIp(plan.lastVm)).toBe('192.168.100.254');
});

test('names of interfaces fit the kernel, whatever the name of the Hearth', () => {
  const plan = planNetwork(parseConfig({ name: 'abcdefghijk' }, {}));
  expect(plan.uplinkHost.length).toBeLessThanOrEqual(15);
});

test('F18: every address has a MAC and a TAP name of its own', () => {
  const ip = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(numberToIp);
  fc.assert(
    fc.property(ip, ip, (a, b) => {
      expect(numberToIp(ipToNumber(a))).toBe(a);
      expect(tapOf(a).length).toBeLessThanOrEqual(15);
      // Locally administered, not multicast.
      expect(Number.parseInt(macOf(a).slice(0, 2), 16) & 3).toBe(2);
      if (a !== b) {
        expect(macOf(a)).not.toBe(macOf(b));
        expect(tapOf(a)).not.toBe(tapOf(b));
      }
    }),
  );
});

test('ranges overlap where they share an address', () => {
  expect(overlaps(rangeOf('10.0.0.0/8'), rangeOf('10.255.255.0/24'))).toBe(true);
  expect(overlaps(rangeOf('10.0.0.0/24'), rangeOf('10.0.1.0/24'))).toBe(false);
  expect(overlaps(rangeOf('0.0.0.0/0'), rangeOf('255.255.255.255'))).toBe(true);
  expect(rangeOf('192.168.1.77/24').first).toBe(ipToNumber('192.168.1.0'));
});

test('networks within others are left out, as an interval set takes no overlaps', () => {
  expect(withoutNested(['10.0.0.0/8', '10.1.0.0/16', '8.8.8.0/24', '8.8.8.0/24'])).toEqual([
    '10.0.0.0/8',
    '8.8.8.0/24',
  ]);
});

test('F5: an allowed address that is none is refused by its key', () => {
  expect(parseAllowed(['10.0.0.5:8080'])).toEqual([{ ip: '10.0.0.5', port: 8080 }]);
  expect(() => parseAllowed(['10.0.0.5:80', '10.0.0.256:80'])).toThrow(/network\.allow\.1/);
  expect(() => parseAllowed(['10.0.0.5:70000'])).toThrow(/network\.allow\.0/);
});
