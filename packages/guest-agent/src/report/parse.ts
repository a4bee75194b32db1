import { HearthError, type GuestReport } from '@hearth/contract';

/** How many of a kind a report tells at most; who is root in the guest can make any number. */
export const MAX_ENTRIES = 64;
/** Of one name or line. */
const MAX_CHARACTERS = 4096;

/** What a report says of something, cut to a length that the control channel bears. */
export const short = (text: string): string => text.slice(0, MAX_CHARACTERS);

/** What `systemctl show` must be asked for. */
export const UNIT_PROPERTIES = ['Id', 'LoadState', 'ActiveState', 'SubState', 'NRestarts'] as const;

/** Reads `systemctl show`: a block of `name=value` for each unit. Units that weren't asked for, or that it told nothing of, are left out. */
export function parseUnits(text: string, names: readonly string[]): GuestReport['units'] {
  const told = new Map<string, Map<string, string>>();
  for (const block of text.split(/\n\s*\n/)) {
    const values = new Map<string, string>();
    for (const line of block.split('\n')) {
      const equals = line.indexOf('=');
      if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
    }
    const id = values.get('Id');
    if (id !== undefined && !told.has(id)) told.set(id, values);
  }
  return names.flatMap((name) => {
    const values = told.get(name);
    const load = values?.get('LoadState');
    if (values === undefined || load === undefined) return [];
    const state = `${values.get('ActiveState') ?? 'unknown'}/${values.get('SubState') ?? 'unknown'}`;
    return { name, load: short(load), state: short(state), restarts: wholeNumber(values.get('NRestarts')) };
  });
}

/** Reads `systemctl list-units --failed --output=json`. Throws where it is no list. */
export function parseFailedUnits(text: string): string[] {
  const units: unknown = JSON.parse(text);
  if (!Array.isArray(units)) throw new HearthError('internal', 'systemctl gave no list of units');
  return units
    .flatMap((entry: unknown) =>
      typeof entry === 'object' && entry !== null && 'unit' in entry && typeof entry.unit === 'string'
        ? [short(entry.unit)]
        : [],
    )
    .slice(0, MAX_ENTRIES);
}

export interface Memory {
  availableMiB: number;
  totalMiB: number;
}

/** Reads /proc/meminfo. Throws where it lacks one of the two. */
export function parseMemory(meminfo: string): Memory {
  const inMiB = (key: string): number => {
    const kib = new RegExp(`^${key}:\\s+(\\d{1,15}) kB$`, 'm').exec(meminfo)?.[1];
    if (kib === undefined) throw new HearthError('internal', `/proc/meminfo has no ${key}`);
    return Math.floor(Number(kib) / 1024);
  };
  return { availableMiB: inMiB('MemAvailable'), totalMiB: inMiB('MemTotal') };
}

/** Reads /proc/vmstat. Throws where the kernel doesn't count them. */
export function parseOomKills(vmstat: string): number {
  const kills = /^oom_kill (\d{1,15})$/m.exec(vmstat)?.[1];
  if (kills === undefined) throw new HearthError('internal', '/proc/vmstat has no oom_kill');
  return Number(kills);
}

function wholeNumber(text: string | undefined): number {
  return /^\d{1,15}$/.test(text ?? '') ? Number(text) : 0;
}
