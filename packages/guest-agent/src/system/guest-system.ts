import { readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import type { OrderTaker } from '../exec/order-taker.ts';
import { runCommand } from '../exec/run-command.ts';

/** The guest as far as the agent asks or changes it; an argument, so that tests touch no machine. */
export interface GuestSystem {
  bootId(): Promise<string>;
  uptimeSeconds(): number;
  machineId(): Promise<string>;
  setMachineId(machineId: string): Promise<void>;
  hostname(): string;
  setHostname(name: string): Promise<void>;
  /** Renews the key of the kernel's random generator with these bytes. */
  reseed(seed: Uint8Array): Promise<void>;
  /** Takes the card down, gives it another MAC and takes it up; it has no IP address then until DHCP brings one. */
  setMac(interfaceName: string, mac: string): Promise<void>;
  takeDown(interfaceName: string): Promise<void>;
  hasLease(): Promise<boolean>;
  setClock(epochMs: number): Promise<void>;
  restartUnit(unit: string): Promise<void>;
  /** Brings all that was written to the disk. */
  sync(): Promise<void>;
  powerOff(): Promise<void>;
}

/** @param orders to `take-identity` (image/rootfs/usr/lib/hearth) */
export function linuxSystem(orders: Pick<OrderTaker, 'send'>): GuestSystem {
  return {
    bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
    uptimeSeconds: uptime,
    machineId: async () => (await readFile('/etc/machine-id', 'utf8')).trim(),
    setMachineId: (machineId) => writeFile('/etc/machine-id', `${machineId}\n`),
    hostname,
    setHostname: (name) => writeFile('/proc/sys/kernel/hostname', name),
    reseed: (seed) => orders.send(`reseed ${Buffer.from(seed).toString('hex')}`),
    setMac: (interfaceName, mac) => orders.send(`mac ${interfaceName} ${mac}`),
    takeDown: (interfaceName) => orders.send(`down ${interfaceName}`),
    // systemd-networkd keeps one file for each lease.
    hasLease: async () => (await readdir('/run/systemd/netif/leases')).length > 0,
    setClock: (epochMs) => {
      const seconds = Math.floor(epochMs / 1000);
      return orders.send(`clock ${seconds} ${Math.floor((epochMs - seconds * 1000) * 1000)}`);
    },
    restartUnit: async (unit) => {
      await runCommand('systemctl', ['restart', unit], 60_000);
    },
    sync: async () => {
      await runCommand('sync', [], 60_000);
    },
    powerOff: async () => {
      await runCommand('systemctl', ['--no-block', 'poweroff']);
    },
  };
}
