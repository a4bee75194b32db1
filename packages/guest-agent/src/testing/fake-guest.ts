import type { GuestAddress } from '@hearth/contract';
import { createHash } from 'node:crypto';
import type { GuestView } from '../report/guest-view.ts';
import type { Freezer } from '../system/freezer.ts';
import type { GuestSystem } from '../system/guest-system.ts';

/** What the memory of a guest holds; two fakes with the same are clones. */
export interface FakeMemory {
  mac: string;
  machineId: string;
  hostname: string;
  isUp: boolean;
  frozen: boolean;
  /** State of the kernel's generator of random numbers. */
  pool: string;
}

export interface FakeGuest {
  memory: FakeMemory;
  system: GuestSystem;
  view: GuestView;
  freezer: Freezer;
  calls: string[];
  readAddresses: () => Promise<GuestAddress[]>;
  /** Of the fake kernel: what comes next follows from its pool. */
  randomBytes: (size: number) => Uint8Array;
}

/** A guest with one network card, which has the address .2 whenever it is up. */
export function createFakeGuest(memory: FakeMemory, interfaceName = 'eth0'): FakeGuest {
  const calls: string[] = [];
  const stir = (more: Uint8Array | string): void => {
    memory.pool = createHash('sha256').update(memory.pool).update(more).digest('hex');
  };
  return {
    memory,
    calls,
    system: {
      bootId: async () => 'boot',
      uptimeSeconds: () => 1,
      machineId: async () => memory.machineId,
      setMachineId: async (machineId) => {
        calls.push(`machine-id ${machineId}`);
        memory.machineId = machineId;
      },
      hostname: () => memory.hostname,
      setHostname: async (name) => {
        calls.push(`hostname ${name}`);
        memory.hostname = name;
      },
      reseed: async (seed) => {
        calls.push('reseed');
        stir(seed);
      },
      setMac: async (name, mac) => {
        calls.push(`mac ${name} ${mac}`);
        memory.mac = mac;
        memory.isUp = true;
      },
      takeDown: async (name) => {
        calls.push(`down ${name}`);
        memory.isUp = false;
      },
      hasLease: async () => memory.isUp,
      setClock: async (ms) => void calls.push(`clock ${ms}`),
      restartUnit: async (unit) => void calls.push(`restart ${unit}`),
      sync: async () => void calls.push('sync'),
      powerOff: async () => void calls.push('poweroff'),
    },
    view: {
      links: async () => [{ name: interfaceName, mac: memory.mac, up: memory.isUp }],
      routes: async () => (memory.isUp ? [`default via 192.168.100.1 dev ${interfaceName}`] : []),
      units: async (names) =>
        names.map((name) => ({ name, load: 'loaded', state: 'active/running', restarts: 0 })),
      failedUnits: async () => ['broken.service'],
      kernelCommandLine: async () => 'console=ttyS0 hearth.kind=cli',
      memory: async () => ({ availableMiB: 512, totalMiB: 2048 }),
      oomKills: async () => 0,
      disk: async () => ({ freeMiB: 100, totalMiB: 1000 }),
      gateway: async (address) => ({ ok: true, detail: `${address} answered` }),
    },
    freezer: {
      freeze: async () => {
        calls.push('freeze');
        memory.frozen = true;
      },
      thaw: async () => {
        if (!memory.frozen) return false;
        calls.push('thaw');
        memory.frozen = false;
        return true;
      },
      isFrozen: async () => memory.frozen,
    },
    readAddresses: async () => [
      {
        interface: interfaceName,
        mac: memory.mac,
        ip: memory.isUp ? '192.168.100.2' : null,
        prefixLength: memory.isUp ? 24 : null,
        gateway: memory.isUp ? '192.168.100.1' : null,
      },
    ],
    randomBytes: (size) => {
      const bytes = Buffer.alloc(size);
      for (let at = 0; at < size; at += 32) {
        stir('next');
        Buffer.from(memory.pool, 'hex').copy(bytes, at);
      }
      return bytes;
    },
  };
}
