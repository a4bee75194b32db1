import { HearthError, pause } from '@hearth/contract';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Stops the desktop's programs, but for the display server that shows their picture, and lets them run on. */
export interface Freezer {
  /** Resolves once all of them stand still; those that don't run in this VM are left out. */
  freeze(signal: AbortSignal): Promise<void>;
  /** false where nothing was frozen. */
  thaw(): Promise<boolean>;
  /** Read from the kernel: true also where an agent before this one froze them. */
  isFrozen(): Promise<boolean>;
}

export interface FreezerOptions {
  units: readonly string[];
  /**
   * Processes, known by a word of their command line, that are ended while they stand still: their parent starts them anew once it
   * runs on. For those whose generator of random numbers would go on alike in all clones.
   */
  ended: string;
  /** Folder of the units' cgroups. */
  cgroups?: string;
  /** Of processes. */
  proc?: string;
  kill?: (pid: number) => void;
}

const LOOK_MS = 20;

export function createFreezer({
  units,
  ended,
  cgroups = '/sys/fs/cgroup/system.slice',
  proc = '/proc',
  kill = (pid) => process.kill(pid, 'SIGKILL'),
}: FreezerOptions): Freezer {
  const file = (unit: string, name: string): string => join(cgroups, unit, name);
  /** '' where the unit doesn't run. */
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(unlessGone);
  /** false where the unit doesn't run. */
  const set = async (unit: string, frozen: boolean): Promise<boolean> => {
    if ((await read(file(unit, 'cgroup.freeze'))) === '') return false;
    await writeFile(file(unit, 'cgroup.freeze'), frozen ? '1' : '0');
    return true;
  };
  const isSet = async (unit: string): Promise<boolean> =>
    (await read(file(unit, 'cgroup.freeze'))).trim() === '1';
  const standsStill = async (unit: string): Promise<boolean> =>
    /^frozen 1$/m.test(await read(file(unit, 'cgroup.events')));

  const freezeUnit = async (unit: string, signal: AbortSignal): Promise<void> => {
    if (!(await set(unit, true))) return;
    while (!(await standsStill(unit))) {
      if (signal.aborted) throw new HearthError('internal', `${unit} could not be frozen`);
      await pause(LOOK_MS, signal).catch(() => undefined);
    }
    for (const pid of (await read(file(unit, 'cgroup.procs'))).split('\n').filter((line) => line !== ''))
      if ((await read(join(proc, pid, 'cmdline'))).includes(ended)) kill(Number(pid));
  };
  return {
    freeze: async (signal) => {
      await Promise.all(units.map((unit) => freezeUnit(unit, signal)));
    },
    thaw: async () => {
      const frozen: string[] = [];
      for (const unit of units) if (await isSet(unit)) frozen.push(unit);
      await Promise.all(frozen.map((unit) => set(unit, false)));
      return frozen.length > 0;
    },
    isFrozen: async () => (await Promise.all(units.map(isSet))).includes(true),
  };
}

function unlessGone(error: unknown): string {
  // ENODEV and ESRCH: it went while it was read.
  if (['ENOENT', 'ENODEV', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
  throw error;
}
