import { expect, it } from 'vitest';
import { parseRoutes, routeText } from './routes.ts';

const TABLE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0164A8C0\t0003\t0\t0\t1024\t00000000\t0\t0\t0
eth0\t0064A8C0\t00000000\t0001\t0\t0\t1024\t00FFFFFF\t0\t0\t0
eth0\t0164A8C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
*\t0000000A\t00000000\t0200\t0\t0\t0\t000000FF\t0\t0\t0
`;

it('tells the kernel’s routes in the words of `ip route`', () => {
  expect(parseRoutes(TABLE).map(routeText)).toEqual([
    'default via 192.168.100.1 dev eth0 metric 1024',
    '192.168.100.0/24 dev eth0 metric 1024',
    '192.168.100.1 dev eth0',
    'unreachable 10.0.0.0/8',
  ]);
});

it('leaves out what is no route', () => {
  expect(parseRoutes('')).toEqual([]);
  expect(parseRoutes('header\n\neth0\neth0 xyz 0164A8C0 0003 0 0 0 00000000\neth0 00000000')).toEqual([]);
});
