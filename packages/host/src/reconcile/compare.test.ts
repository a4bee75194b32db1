import { driftSubjects } from '@hearth/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { vmPaths } from '../vms/vm-paths.ts';
import { compare } from './compare.ts';
import { testAddress, testConfig, testId, testRecord, wholeMachine } from './test-sight.ts';

const STATES = ['creating', 'booting', 'ready', 'hibernating', 'hibernated', 'failed', 'deleting'] as const;
const vm = testAddress(0);
const stranger = { mac: '02:48:00:00:00:99', ip: '10.77.0.200' };
type Machine = ReturnType<typeof wholeMachine>['seen'];
type Subject = (typeof driftSubjects)[number];

const tapOf = ({ network: { links } }: Machine) => {
  const link = links.find(({ name }) => name === vm.tap);
  if (link === undefined) throw new Error('the machine has no such TAP');
  return link;
};
const bridgeOf = ({ network: { links } }: Machine) => {
  const [link] = links;
  if (link === undefined) throw new Error('the machine has no bridge');
  return link;
};
const without = (list: unknown[], index = 0): void => void list.splice(index, 1);

/** One thing that is wrong, what it is named as, and whether something mends it. */
const faults: [what: string, spoil: (machine: Machine) => void, subjects: Subject[], mends: boolean][] = [
  ['the bridge is gone', ({ network }) => without(network.links), ['bridge'], true],
  ['the bridge is down', (machine) => void (bridgeOf(machine).up = false), ['bridge'], true],
  ['its address is gone', (machine) => void (bridgeOf(machine).addresses = []), ['bridge'], true],
  ['it has one more', (machine) => void bridgeOf(machine).addresses.push('10.9.9.9/24'), ['bridge'], true],
  ['nothing is forwarded', ({ network }) => void (network.forwarding = false), ['forwarding'], true],
  ['F2: a TAP is gone', ({ network }) => without(network.links, 1), ['tap'], true],
  ['a TAP is down', (machine) => void (tapOf(machine).up = false), ['tap'], true],
  ['a TAP is off the bridge', (machine) => void (tapOf(machine).master = null), ['tap'], true],
  ['a TAP is on another bridge', (machine) => void (tapOf(machine).master = 'br0'), ['tap'], true],
  ['no VMM holds a TAP', (machine) => void (tapOf(machine).carrier = false), ['tap'], false],
  ['the bridge forgot a MAC', ({ network }) => without(network.fdb), ['fdb'], true],
  ['the rules were changed', ({ network }) => void (network.rulesFault = 'changed'), ['firewall'], true],
  ['another tool drops', ({ network }) => network.foreignDrops.push('ip f x drops all'), ['firewall'], false],
  ['a pin is missing', ({ network }) => without(network.pins), ['pin'], true],
  ['a pin is too many', ({ network }) => network.pins.push('tapx m i'), ['pin'], true],
  ['dnsmasq is dead', ({ network }) => void (network.dnsmasqFault = 'it ended'), ['dnsmasq'], true],
  ['a reservation is missing', ({ network }) => without(network.reservations), ['reservation'], true],
  ['a stranger has one', ({ network }) => network.reservations.push(stranger), ['reservation'], true],
  [
    'F1: another address is reserved',
    ({ network }) => network.reservations.splice(0, 1, { ...stranger, mac: vm.mac }),
    ['reservation'],
    true,
  ],
  [
    'F1: another address is leased',
    ({ network }) =>
      network.leases.forEach((lease) => void (lease.ip = lease.mac === vm.mac ? stranger.ip : lease.ip)),
    ['lease'],
    true,
  ],
  [
    'F17: its address is leased to another MAC',
    ({ network }) =>
      network.leases.forEach((lease) => void (lease.mac = lease.ip === vm.ip ? stranger.mac : lease.mac)),
    ['lease'],
    true,
  ],
  [
    'F1: the neighbour entry is of another MAC',
    ({ network }) =>
      network.neighbours.forEach((one) => void (one.mac = one.ip === vm.ip ? stranger.mac : one.mac)),
    ['neighbour'],
    true,
  ],
  ['its VMM is gone', ({ processes }) => processes.set(testId(0), 'gone'), ['process'], false],
  ['its VMM is stopped', ({ processes }) => processes.set(testId(0), 'stopped'), ['process'], false],
  [
    'F15: its disk is gone',
    ({ missingFiles }) => missingFiles.add(vmPaths(testConfig, testId(0)).upper),
    ['disk'],
    false,
  ],
  [
    'F13: its console is gone',
    ({ missingFiles }) => missingFiles.add(vmPaths(testConfig, testId(0)).console.logPath),
    ['console'],
    false,
  ],
];

test('a machine that is as the book says has no drift, whatever its VMs are doing', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...STATES), { maxLength: 12 }), (states) => {
      const { expected, seen } = wholeMachine(states.map((state, n) => testRecord(n, state)));
      expect(compare(expected, seen)).toEqual([]);
    }),
  );
});

test.each(faults)('drift is named: %s', (_what, spoil, subjects, mends) => {
  const { expected, seen } = wholeMachine([testRecord(0), testRecord(1), testRecord(2, 'creating')]);
  spoil(seen);
  const found = compare(expected, seen);
  expect(found.map(({ subject }) => subject)).toEqual(subjects);
  expect(found.every(({ remedy }) => (remedy !== null) === mends)).toBe(true);
  expect(found.every(({ detail, expected: what, found: instead }) => detail !== '' && what !== instead)).toBe(
    true,
  );
});

test('every subject has a fault of its own here', () => {
  expect(new Set(faults.flatMap(([, , subjects]) => subjects))).toEqual(new Set(driftSubjects));
});

/** Of what stands on another thing no more is said while that one is wrong. */
const hides: Partial<Record<Subject, Subject>> = {
  pin: 'firewall',
  dnsmasq: 'bridge',
  fdb: 'tap',
  tap: 'process',
};

test('several faults at once are each named, or what they stand on is', () => {
  fc.assert(
    fc.property(fc.subarray(faults, { minLength: 1, maxLength: 4 }), (some) => {
      const spoilt = some.flatMap(([, , subjects]) => subjects);
      fc.pre(new Set(spoilt).size === spoilt.length);
      const { expected, seen } = wholeMachine([testRecord(0), testRecord(1)]);
      for (const [, spoil] of some) spoil(seen);
      const named = compare(expected, seen).map(({ subject }) => subject);
      for (const subject of spoilt)
        expect([subject, hides[subject]].some((one) => one !== undefined && named.includes(one))).toBe(true);
      expect(named.every((subject) => spoilt.includes(subject))).toBe(true);
    }),
  );
});

test('what comes or goes at this moment is no drift: its TAP, pin, reservation and lease may be there or not', () => {
  for (const state of ['creating', 'deleting'] as const) {
    const { expected, seen } = wholeMachine([testRecord(0)]);
    const coming = wholeMachine([testRecord(0, state)]);
    expect(compare(coming.expected, seen)).toEqual([]);
    expect(compare(coming.expected, coming.seen)).toEqual([]);
    expect(expected.vms[0]?.running).not.toBeNull();
  }
});

test('a neighbour that does not answer is the VM’s matter, not the table’s', () => {
  const { expected, seen } = wholeMachine([testRecord(0)]);
  seen.network.neighbours = [{ ip: vm.ip, mac: stranger.mac, state: 'FAILED' }];
  expect(compare(expected, seen)).toEqual([]);
});

test('F19: a hibernated VM has nothing but its files, and these must be there', () => {
  const saved = { bytes: 1, sha256: '', fingerprint: '', machine: {} as never };
  const { expected, seen } = wholeMachine([{ ...testRecord(0, 'hibernated'), saved }]);
  expect(compare(expected, seen)).toEqual([]);
  const { upper, savedState } = vmPaths(testConfig, testId(0));
  expect(compare(expected, { ...seen, missingFiles: new Set([upper, savedState]) })).toMatchObject([
    { subject: 'disk', name: upper },
    { subject: 'disk', name: savedState },
  ]);
});
