import { HearthError } from '@hearth/contract';
import { readFile, writeFile } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import { runCommand } from '../exec/run-command.ts';

/** The guest as far as the agent asks or changes it; an argument, so that tests touch no machine. */
export interface GuestSystem {
  bootId(): Promise<string>;
  uptimeSeconds(): number;
  machineId(): Promise<string>;
  hostname(): string;
  setHostname(name: string): Promise<void>;
  setClock(epochMs: number): Promise<void>;
  failedUnits(): Promise<string[]>;
  memAvailableMiB(): Promise<number>;
  powerOff(): Promise<void>;
}

export const linuxSystem: GuestSystem = {
  bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
  uptimeSeconds: uptime,
  machineId: async () => (await readFile('/etc/machine-id', 'utf8')).trim(),
  hostname,
  setHostname: (name) => writeFile('/proc/sys/kernel/hostname', name),
  setClock: async (epochMs) => {
    await runCommand('date', ['--utc', '--set', `@${(epochMs / 1000).toFixed(3)}`]);
  },
  failedUnits: async () => {
    const text = await runCommand('systemctl', ['list-units', '--failed', '--output=json', '--no-pager']);
    return parseFailedUnits(text);
  },
  memAvailableMiB: async () => parseMemAvailable(await readFile('/proc/meminfo', 'utf8')),
  powerOff: async () => {
    await runCommand('systemctl', ['--no-block', 'poweroff']);
  },
};

export function parseFailedUnits(text: string): string[] {
  const units: unknown = JSON.parse(text);
  if (!Array.isArray(units)) throw new HearthError('internal', 'systemctl gave no list of units');
  return units.flatMap((entry: unknown) =>
    typeof entry === 'object' && entry !== null && 'unit' in entry && typeof entry.unit === 'string'
      ? [entry.unit]
      : [],
  );
}

export function parseMemAvailable(meminfo: string): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  if (kib === undefined) throw new HearthError('internal', '/proc/meminfo has no MemAvailable');
  return Math.floor(Number(kib) / 1024);
}
