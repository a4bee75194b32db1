import { HearthError, type Address, type VmId } from '@hearth/contract';
import { contains, ipToNumber, macOf, numberToIp, tapOf, type NetworkPlan } from './addressing.ts';

/** A line of the book as it is kept. There is at most one for a VM and at most one for an address. */
export interface AddressRow extends Address {
  vmId: VmId;
  /** null while the VM holds the address; then its place in the order in which addresses were freed. */
  freedOrder: number | null;
}

/** Where the book is kept; synchronous, as a row is one small write to the host's database. */
export interface AddressStore {
  load(): AddressRow[];
  /** Inserts or replaces the row of `row.vmId`. */
  put(row: AddressRow): void;
  delete(vmId: VmId): void;
}

export interface AddressBook {
  /**
   * Books an address; the same one where the VM has one. Kept before anything is made from it.
   * Throws addresses_exhausted.
   */
  allocate(vmId: VmId, machineId?: string): Address;
  /** F17: called only after the death of the VM's VMM is confirmed. Free already: nothing happens. */
  free(vmId: VmId): void;
  get(vmId: VmId): Address | undefined;
  list(): { vmId: VmId; address: Address }[];
  readonly freeCount: number;
}

/**
 * What no record holds: a daemon died between booking an address and writing it into its VM's record. No VMM was
 * started with it (F17), and nobody else would ever free it.
 */
export function unheld(
  booked: readonly { vmId: VmId; address: Address }[],
  records: readonly { id: VmId; address: Address | null }[],
): ReturnType<AddressBook['list']> {
  const holders = new Set(records.filter(({ address }) => address !== null).map(({ id }) => id));
  return booked.filter(({ vmId }) => !holders.has(vmId));
}

interface AddressBookOptions {
  plan: Pick<NetworkPlan, 'subnet' | 'firstVm' | 'lastVm'>;
  store: AddressStore;
  randomBytes: (size: number) => Uint8Array;
}

const MACHINE_ID_BYTES = 16;
/** Enough for any source that is random at all. */
const MACHINE_ID_TRIES = 8;

/** The one record of which VM has which address, MAC, TAP, hostname and machine-id. */
export function openAddressBook({ plan, store, randomBytes }: AddressBookOptions): AddressBook {
  const live = new Map<VmId, AddressRow>();
  const freed = new Map<string, AddressRow>();
  let lastFreed = 0;

  const rows = store.load();
  for (const row of rows.filter(({ freedOrder }) => freedOrder === null)) {
    if (!contains({ first: plan.firstVm, last: plan.lastVm }, ipToNumber(row.ip))) {
      throw new HearthError(
        'config_invalid',
        `network.subnet: ${row.vmId} has the address ${row.ip}, which is not in ${plan.subnet}`,
        { hint: 'Go back to the former `network.subnet` and delete the VMs before you change it.' },
      );
    }
    live.set(row.vmId, row);
  }
  const taken = new Set([...live.values()].map(({ ip }) => ip));
  for (const row of rows.filter(({ freedOrder }) => freedOrder !== null)) {
    lastFreed = Math.max(lastFreed, row.freedOrder ?? 0);
    const outside = !contains({ first: plan.firstVm, last: plan.lastVm }, ipToNumber(row.ip));
    // The second happens where we ended between the two writes of an allocation.
    if (outside || taken.has(row.ip)) store.delete(row.vmId);
    else freed.set(row.ip, row);
  }

  /** First an address that nobody ever had, then the one that was freed longest ago. */
  const nextIp = (): string | undefined => {
    const used = new Set([...live.values()].map(({ ip }) => ip));
    for (let value = plan.firstVm; value <= plan.lastVm; value += 1) {
      const ip = numberToIp(value);
      if (!used.has(ip) && !freed.has(ip)) return ip;
    }
    let oldest: AddressRow | undefined;
    for (const row of freed.values())
      if (oldest === undefined || (row.freedOrder ?? 0) < (oldest.freedOrder ?? 0)) oldest = row;
    return oldest?.ip;
  };

  /** F46: no two VMs share a machine-id, and one that was given is not given again while it is remembered. */
  const newMachineId = (): string => {
    const known = new Set([...live.values(), ...freed.values()].map(({ machineId }) => machineId));
    for (let tries = 0; tries < MACHINE_ID_TRIES; tries += 1) {
      const id = Buffer.from(randomBytes(MACHINE_ID_BYTES)).toString('hex');
      if (!known.has(id) && !/^0+$/.test(id)) return id;
    }
    throw new HearthError('internal', 'the source of randomness repeats itself; no machine-id could be made');
  };

  return {
    allocate(vmId, machineId) {
      const present = live.get(vmId);
      if (present !== undefined) return addressOf(present);
      const ip = nextIp();
      if (ip === undefined) {
        throw new HearthError(
          'addresses_exhausted',
          `all ${live.size} addresses of ${plan.subnet} are in use`,
          {
            vmId,
          },
        );
      }
      const row: AddressRow = {
        vmId,
        ip,
        mac: macOf(ip),
        tap: tapOf(ip),
        hostname: vmId,
        machineId: machineId ?? newMachineId(),
        freedOrder: null,
      };
      store.put(row);
      live.set(vmId, row);
      const former = freed.get(ip);
      if (former !== undefined) {
        freed.delete(ip);
        if (former.vmId !== vmId) store.delete(former.vmId);
      }
      // The id may have had another address before: its row was just replaced, so forget that one too.
      for (const other of freed.values()) if (other.vmId === vmId) freed.delete(other.ip);
      return addressOf(row);
    },
    free(vmId) {
      const row = live.get(vmId);
      if (row === undefined) return;
      const after: AddressRow = { ...row, freedOrder: lastFreed + 1 };
      store.put(after);
      lastFreed += 1;
      live.delete(vmId);
      freed.set(row.ip, after);
    },
    get(vmId) {
      const row = live.get(vmId);
      return row === undefined ? undefined : addressOf(row);
    },
    list: () => [...live.values()].map((row) => ({ vmId: row.vmId, address: addressOf(row) })),
    get freeCount() {
      return plan.lastVm - plan.firstVm + 1 - live.size;
    },
  };
}

const addressOf = ({ ip, mac, tap, hostname, machineId }: AddressRow): Address => ({
  ip,
  mac,
  tap,
  hostname,
  machineId,
});
