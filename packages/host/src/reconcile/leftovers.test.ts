import { expect, test } from 'vitest';
import { pinText } from '../network/firewall.ts';
import { findLeftovers, type SweepSight, type Written } from './leftovers.ts';
import { vmIn } from './own-processes.ts';
import { testAddress, testConfig, testId, testRecord, wholeMachine } from './test-sight.ts';

const RETENTION_FROM_MS = 1000;
const records = [testRecord(0), testRecord(1, 'hibernated'), testRecord(2, 'creating')];
const written = (part: Partial<Written> = {}): Written => ({
  records,
  addresses: [0, 2].map((n) => ({ vmId: testId(n), address: testAddress(n) })),
  dnsmasqPid: 50,
  ...part,
});
const vmm = (n: number, pid: number) => ({ pid, startTicks: 1, type: 'vmm' as const, vmId: testId(n) });
const seen = (part: Partial<SweepSight> = {}): SweepSight => ({
  processes: [vmm(0, 1000), { pid: 50, startTicks: 1, type: 'dnsmasq', parentPid: 1 }],
  network: wholeMachine([testRecord(0)]).seen.network,
  files: [
    { kind: 'disk', path: '/state/vms/0/upper.ext4', vmId: testId(0), changedMs: 0 },
    { kind: 'disk', path: '/state/vms/1/upper.ext4', vmId: testId(1), changedMs: 0 },
    { kind: 'console', path: '/state/consoles/0', vmId: testId(0), changedMs: 0 },
    { kind: 'console', path: '/state/consoles/9', vmId: testId(9), changedMs: RETENTION_FROM_MS },
  ],
  cgroups: [testId(0)],
  ...part,
});
const find = (moments: Written[], sight: SweepSight) =>
  findLeftovers(moments, sight, RETENTION_FROM_MS).map(({ kind, name }) => `${kind} ${name}`);
const still = [written(), written()];

test('F19: what is written down, and what was kept for its time, is no leftover', () => {
  expect(find(still, seen())).toEqual([]);
});

test('F18, F19: each kind of thing that has no record is named', () => {
  const { network } = seen();
  const { ip, mac, tap } = testAddress(9);
  const sight = seen({
    processes: [...seen().processes, vmm(9, 77), { pid: 78, startTicks: 1, type: 'dnsmasq', parentPid: 1 }],
    network: {
      ...network,
      links: [
        ...network.links,
        { ...{ name: tap, up: true, carrier: false, master: null, mac }, addresses: [] },
      ],
      pins: [...network.pins, pinText({ ip, mac, tap })],
      reservations: [...network.reservations, { mac, ip }],
      leases: [...network.leases, { mac, ip, hostname: '*', clientId: '*', expiresAtSeconds: 0 }],
    },
    files: [
      { kind: 'socket', path: '/run/9/control.sock', vmId: testId(9), changedMs: 0 },
      { kind: 'disk', path: '/state/vms/9/upper.ext4', vmId: testId(9), changedMs: 0 },
      { kind: 'folder', path: '/state/vms/9', vmId: testId(9), changedMs: 0 },
      { kind: 'console', path: '/state/consoles/9', vmId: testId(9), changedMs: RETENTION_FROM_MS - 1 },
    ],
    cgroups: [testId(0), testId(9)],
  });
  const booked = written({
    addresses: [...written().addresses, { vmId: testId(8), address: testAddress(8) }],
  });
  expect(find([booked, booked], sight)).toEqual([
    'process 77',
    'dnsmasq 78',
    `address ${testAddress(8).ip}`,
    `tap ${tap}`,
    `pin ${tap} ${mac} ${ip}`,
    `reservation ${mac} ${ip}`,
    `lease ${mac} ${ip}`,
    'socket /run/9/control.sock',
    'disk /state/vms/9/upper.ext4',
    'folder /state/vms/9',
    'console /state/consoles/9',
    `cgroup ${testId(9)}`,
  ]);
});

test('F20: what was made or taken away during the look is left alone', () => {
  const { ip, mac, tap } = testAddress(9);
  const { network } = seen();
  const sight = seen({
    processes: [vmm(9, 77)],
    network: {
      ...network,
      links: [{ ...{ name: tap, up: true, carrier: true, master: null, mac }, addresses: [] }],
      reservations: [{ mac, ip }],
    },
    cgroups: [testId(9)],
  });
  const later = written({
    records: [...records, testRecord(9, 'creating')],
    addresses: [...written().addresses, { vmId: testId(9), address: testAddress(9) }],
  });
  const ofNine = (found: string[]) => found.filter((text) => !text.includes(testAddress(0).mac));
  expect(ofNine(find([written(), later], sight))).toEqual([]);
  expect(ofNine(find([later, written()], sight))).toEqual([]);
  expect(ofNine(find(still, sight))).not.toEqual([]);
});

test('F19: a second VMM of a VM that has one, or sleeps, is a leftover; one that is being started is not', () => {
  const find2 = (n: number) => find(still, seen({ processes: [vmm(n, 4242)] }));
  expect(find2(0)).toEqual(['process 4242']);
  expect(find2(1)).toEqual(['process 4242']);
  expect(find2(2)).toEqual([]);
});

test('a child of our dnsmasq that answers over TCP is ours', () => {
  const child = { pid: 51, startTicks: 1, type: 'dnsmasq' as const, parentPid: 50 };
  expect(find(still, seen({ processes: [child] }))).toEqual([]);
});

test('F17: an address that a record still holds is not free, one that none holds is', () => {
  const gone = { ...testRecord(3, 'failed'), address: null };
  const booked = written({
    records: [...records, gone],
    addresses: [...written().addresses, { vmId: testId(3), address: testAddress(3) }],
  });
  expect(find([booked, booked], seen())).toEqual([`address ${testAddress(3).ip}`]);
  const held = { ...booked, records: [...records, { ...gone, address: testAddress(3) }] };
  expect(find([held, booked], seen())).toEqual([]);
  expect(find([held, held], seen())).toEqual([]);
});

test('a path on a command line is ours only as a whole', () => {
  const id = testId(7);
  expect(vmIn(`/run/drift/vms/${id}/vmm.pid`, testConfig)).toBe(id);
  expect(vmIn(`id=upper,file=/state/vms/${id}/upper.ext4,format=raw`, testConfig)).toBe(id);
  expect(vmIn(`unix:/run/drift/vms/${id}/monitor.sock,server=on`, testConfig)).toBe(id);
  for (const other of [
    `/run/drift2/vms/${id}/vmm.pid`,
    `/elsewhere/run/drift/vms/${id}/vmm.pid`,
    `/run/drift/vms-old/${id}/vmm.pid`,
    '/run/drift/vms/not-a-vm/vmm.pid',
    `hearth-${id}`,
  ])
    expect(vmIn(other, testConfig), other).toBeNull();
});
