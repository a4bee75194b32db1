import { availableParallelism, totalmem } from 'node:os';
import { HearthError, withAbort, type Config, type HostCreateVm, type Progress } from '@hearth/contract';

const MIB = 1024 * 1024;

/** Machine's memory less the reserve and what living VMs were promised. */
export function freeMemMiB(config: Config, vms: Iterable<{ memMiB: number }>): number {
  let promised = 0;
  for (const { memMiB } of vms) promised += memMiB;
  return Math.floor(totalmem() / MIB) - config.vms.reserveMemMiB - promised;
}

/** Throws capacity_exceeded where the machine has no room for this VM beside the living ones. */
export function checkRoom(
  config: Config,
  wanted: Pick<HostCreateVm, 'memMiB' | 'cpus'>,
  living: Iterable<{ memMiB: number }>,
): void {
  const free = freeMemMiB(config, living);
  if (wanted.memMiB > free) {
    throw new HearthError(
      'capacity_exceeded',
      `the VM asks for ${wanted.memMiB} MiB of memory, the host has ${Math.max(0, free)} MiB left for VMs`,
    );
  }
  const cores = availableParallelism();
  if (wanted.cpus > cores)
    throw new HearthError('capacity_exceeded', `the VM asks for ${wanted.cpus} CPUs, the host has ${cores}`);
}

/** Lets a few boots run at once; the rest wait their turn, first come first served. */
export interface BootSlots {
  /** Resolves with the function that gives the slot back. */
  take(progress: Progress): Promise<() => void>;
  readonly waiting: number;
}

export function createBootSlots(max: number): BootSlots {
  let free = max;
  const queue: (() => void)[] = [];
  const giveBack = (): void => {
    const next = queue.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return {
    get waiting() {
      return queue.length;
    },
    take: async (progress) => {
      if (free > 0) {
        free -= 1;
      } else {
        const { promise, resolve } = Promise.withResolvers<undefined>();
        const wake = (): void => resolve(undefined);
        queue.push(wake);
        try {
          await withAbort(promise, progress.signal);
        } catch (error) {
          const index = queue.indexOf(wake);
          // Woken and aborted at once: the slot is ours and goes on to the next.
          if (index === -1) giveBack();
          else queue.splice(index, 1);
          throw error;
        }
      }
      let given = false;
      return () => {
        if (given) return;
        given = true;
        giveBack();
      };
    },
  };
}
