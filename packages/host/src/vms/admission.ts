import { statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { HearthError, type Config, type HostVm } from '@hearth/contract';

const MIB = 1024 * 1024;

/** What the machine has, all in all. */
export interface MachineSize {
  memMiB: number;
  cpus: number;
  /** Free now below the folder of states. */
  diskFreeMiB: () => number;
}

export const thisMachine = ({ stateDir }: Pick<Config, 'stateDir'>): MachineSize => ({
  memMiB: Math.floor(totalmem() / MIB),
  cpus: availableParallelism(),
  // One system call on a disk of this machine: an answer that came later could be that of two VMs at once.
  diskFreeMiB: () => {
    const { bavail, bsize } = statfsSync(stateDir);
    return Math.floor((bavail * bsize) / MIB);
  },
});

/** The machine's memory less the reserve and what living VMs were promised. */
export function freeMemMiB(
  { vms }: Pick<Config, 'vms'>,
  living: Iterable<{ memMiB: number }>,
  totalMiB = Math.floor(totalmem() / MIB),
): number {
  let free = totalMiB - vms.reserveMemMiB;
  for (const { memMiB } of living) free -= memMiB;
  return free;
}

type Size = Pick<HostVm, 'memMiB' | 'cpus'>;

export interface Admission {
  /**
   * Throws host_draining, and capacity_exceeded naming what is short for this VM beside those that the host keeps room for (F30).
   */
  admit(wanted: Size, living: Iterable<Size>): void;
  /** What can still be promised; negative where more was promised than there is. */
  free(living: Iterable<Size>): { memMiB: number; cpus: number; diskMiB: number };
}

export function createAdmission(
  config: Pick<Config, 'vms' | 'stateDir'>,
  draining: () => boolean,
  machine: MachineSize = thisMachine(config),
): Admission {
  const { reserveDiskMiB, cpuOvercommit } = config.vms;
  const short = (what: string): never => {
    throw new HearthError('capacity_exceeded', what);
  };
  const admission: Admission = {
    free: (living) => {
      const kept = [...living];
      return {
        memMiB: freeMemMiB(config, kept, machine.memMiB),
        cpus: Math.floor(machine.cpus * cpuOvercommit) - kept.reduce((sum, { cpus }) => sum + cpus, 0),
        diskMiB: machine.diskFreeMiB() - reserveDiskMiB,
      };
    },
    admit: (wanted, living) => {
      if (draining()) throw new HearthError('host_draining', 'it takes no new VM and brings none back');
      const free = admission.free(living);
      if (wanted.memMiB > free.memMiB)
        short(
          `the VM asks for ${wanted.memMiB} MiB of memory, the host has ${Math.max(0, free.memMiB)} MiB left for VMs`,
        );
      if (wanted.cpus > machine.cpus)
        short(`the VM asks for ${wanted.cpus} CPUs, the host has ${machine.cpus}`);
      if (wanted.cpus > free.cpus)
        short(
          `the VM asks for ${wanted.cpus} CPUs, the host has ${Math.max(0, free.cpus)} left to promise (its ${machine.cpus} times vms.cpuOvercommit, ${cpuOvercommit})`,
        );
      if (free.diskMiB <= 0)
        short(
          `${config.stateDir} has ${free.diskMiB + reserveDiskMiB} MiB of disk free, of which vms.reserveDiskMiB keeps ${reserveDiskMiB} for the host`,
        );
    },
  };
  return admission;
}
