import { randomBytes } from 'node:crypto';
import { parseConfig, vmIdSchema, type VmId } from '@hearth/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openAddressBook, type AddressBook, type AddressRow, type AddressStore } from './address-book.ts';
import { planNetwork } from './addressing.ts';

const plan = planNetwork(
  parseConfig({ network: { subnet: '10.5.0.0/29', transitSubnet: '10.6.0.0/30' } }, {}),
);
const vm = (n: number): VmId => vmIdSchema.parse(`vm-${String(n).padStart(12, '0')}`);

function memoryStore(): AddressStore & { rows: Map<VmId, AddressRow> } {
  const rows = new Map<VmId, AddressRow>();
  return {
    rows,
    load: () => [...rows.values()],
    put: (row) => {
      rows.set(row.vmId, row);
    },
    delete: (vmId) => {
      rows.delete(vmId);
    },
  };
}
const open = (store: AddressStore): AddressBook => openAddressBook({ plan, store, randomBytes });

test('a booking holds all that a VM is given, and is kept before it is answered', () => {
  const store = memoryStore();
  const address = open(store).allocate(vm(1));
  expect(address).toMatchObject({
    ip: '10.5.0.2',
    mac: '02:48:0a:05:00:02',
    tap: 'tap0a050002',
    hostname: vm(1),
  });
  expect(address.machineId).toMatch(/^[0-9a-f]{32}$/);
  expect(store.rows.get(vm(1))).toMatchObject(address);
});

test('asking again answers the same booking', () => {
  const book = open(memoryStore());
  expect(book.allocate(vm(1))).toEqual(book.allocate(vm(1)));
  expect(book.freeCount).toBe(4);
});

test('a full subnet is said so', () => {
  const book = open(memoryStore());
  for (let n = 1; n <= 5; n += 1) book.allocate(vm(n));
  expect(book.freeCount).toBe(0);
  expect(() => book.allocate(vm(6))).toThrow(expect.objectContaining({ code: 'addresses_exhausted' }));
  book.free(vm(3));
  expect(book.allocate(vm(6)).ip).toBe('10.5.0.4');
});

test('F17: a freed address comes last, also after a restart', () => {
  const store = memoryStore();
  let book = open(store);
  book.allocate(vm(1));
  book.allocate(vm(2));
  book.free(vm(2));
  book.free(vm(1));
  book = open(store);
  expect([3, 4, 5, 6, 7].map((n) => book.allocate(vm(n)).ip)).toEqual([
    '10.5.0.4',
    '10.5.0.5',
    '10.5.0.6',
    '10.5.0.3',
    '10.5.0.2',
  ]);
  expect(store.rows.size).toBe(5);
});

test('an end between the two writes of an allocation leaves one owner', () => {
  const store = memoryStore();
  const book = open(store);
  const address = book.allocate(vm(1));
  book.free(vm(1));
  store.put({ ...address, vmId: vm(2), freedOrder: null });
  const after = open(store);
  expect(after.list().map(({ vmId }) => vmId)).toEqual([vm(2)]);
  expect(store.rows.has(vm(1))).toBe(false);
});

test('F46: a machine-id that exists is not given again, whatever the randomness', () => {
  const draws = [1, 1, 0, 2].map((byte) => Buffer.alloc(16, byte));
  const book = openAddressBook({
    plan,
    store: memoryStore(),
    randomBytes: () => draws.shift() ?? Buffer.alloc(16, 9),
  });
  expect(book.allocate(vm(1)).machineId).toBe('01'.repeat(16));
  expect(book.allocate(vm(2)).machineId).toBe('02'.repeat(16));
});

test('F5: a subnet that was changed under living VMs stops the start with the key', () => {
  const store = memoryStore();
  open(store).allocate(vm(1));
  const other = planNetwork(
    parseConfig({ network: { subnet: '10.9.0.0/29', transitSubnet: '10.6.0.0/30' } }, {}),
  );
  expect(() => openAddressBook({ plan: other, store, randomBytes })).toThrow(/network\.subnet/);
});

test('model: no two living VMs ever share an IP, MAC, TAP or machine-id, over restarts', () => {
  const command = fc.oneof(
    fc.record({ type: fc.constant('allocate' as const), n: fc.integer({ min: 0, max: 8 }) }),
    fc.record({ type: fc.constant('free' as const), n: fc.integer({ min: 0, max: 8 }) }),
    fc.record({ type: fc.constant('restart' as const), n: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const store = memoryStore();
      let book = open(store);
      const living = new Map<VmId, string>();
      for (const { type, n } of commands) {
        if (type === 'restart') book = open(store);
        if (type === 'free') {
          book.free(vm(n));
          living.delete(vm(n));
        }
        if (type === 'allocate') {
          if (living.size === 5 && !living.has(vm(n))) {
            expect(() => book.allocate(vm(n))).toThrow(/in use/);
          } else {
            const { ip } = book.allocate(vm(n));
            expect(living.get(vm(n)) ?? ip).toBe(ip);
            living.set(vm(n), ip);
          }
        }
        const list = book.list();
        expect(new Map(list.map(({ vmId, address }) => [vmId, address.ip]))).toEqual(living);
        for (const key of ['ip', 'mac', 'tap', 'machineId'] as const)
          expect(new Set(list.map(({ address }) => address[key])).size).toBe(list.length);
        expect(book.freeCount).toBe(5 - list.length);
        expect(store.rows.size).toBeLessThanOrEqual(5);
      }
    }),
  );
});
