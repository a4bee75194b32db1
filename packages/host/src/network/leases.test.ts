import { expect, test } from 'vitest';
import { keepBooked, parseAck, parseLeases } from './leases.ts';

const file = `0 02:48:0a:05:00:02 10.5.0.2 vm-aaaaaaaaaaaa *
1795442008 02:48:0A:05:00:03 10.5.0.3 * ff:00:11
duid 00:01:00:01
garbage
`;

test('a lease file is read, and what is no lease left out', () => {
  expect(parseLeases(file)).toEqual([
    {
      expiresAtSeconds: 0,
      mac: '02:48:0a:05:00:02',
      ip: '10.5.0.2',
      hostname: 'vm-aaaaaaaaaaaa',
      clientId: '*',
    },
    {
      expiresAtSeconds: 1795442008,
      mac: '02:48:0a:05:00:03',
      ip: '10.5.0.3',
      hostname: '*',
      clientId: 'ff:00:11',
    },
  ]);
  expect(parseLeases('')).toEqual([]);
});

test('F1: only leases that agree with the book are kept', () => {
  const kept = keepBooked(file, [
    { mac: '02:48:0a:05:00:02', ip: '10.5.0.2' },
    { mac: '02:48:0a:05:00:09', ip: '10.5.0.3' },
  ]);
  expect(kept).toBe('0 02:48:0a:05:00:02 10.5.0.2 vm-aaaaaaaaaaaa *\n');
});

test('an acknowledgement is found in the words of dnsmasq', () => {
  expect(parseAck('dnsmasq-dhcp[12]: DHCPACK(hearth0) 10.5.0.2 02:48:0a:05:00:02 vm-aaaaaaaaaaaa')).toEqual({
    ip: '10.5.0.2',
    mac: '02:48:0a:05:00:02',
  });
  expect(parseAck('dnsmasq-dhcp[12]: DHCPOFFER(hearth0) 10.5.0.2 02:48:0a:05:00:02')).toBeUndefined();
});
