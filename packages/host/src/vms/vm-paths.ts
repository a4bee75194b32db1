import { join } from 'node:path';
import type { Config, VmId } from '@hearth/contract';
import type { ConsoleFiles } from '../console/console-capture.ts';

/** Every path of a VM comes from here (F14). */
export interface VmPaths {
  /** Private layer and VMM log; removed with the VM. */
  folder: string;
  upper: string;
  /** Memory and devices of a hibernated VM. */
  savedState: string;
  /** A save under way. */
  newState: string;
  vmmLog: string;
  /** Sockets and pid file; removed with the VM. */
  runFolder: string;
  control: string;
  monitor: string;
  pid: string;
  /** Outside of runFolder, which the VMM can't enter. */
  saveSocket: string;
  /** Outlives the VM (F13). */
  consoleFolder: string;
  console: ConsoleFiles;
}

export function vmPaths({ stateDir, runDir }: Pick<Config, 'stateDir' | 'runDir'>, id: VmId): VmPaths {
  const folder = join(stateDir, 'vms', id);
  const runFolder = join(runDir, 'vms', id);
  const consoleFolder = join(stateDir, 'consoles', id);
  return {
    folder,
    upper: join(folder, 'upper.ext4'),
    savedState: join(folder, 'saved.state'),
    newState: join(folder, 'new.state'),
    vmmLog: join(folder, 'vmm.log'),
    runFolder,
    control: join(runFolder, 'control.sock'),
    monitor: join(runFolder, 'monitor.sock'),
    pid: join(runFolder, 'vmm.pid'),
    saveSocket: join(runDir, 'saves', `${id}.sock`),
    consoleFolder,
    console: {
      logPath: join(consoleFolder, 'console.log'),
      indexPath: join(consoleFolder, 'console.index'),
      earlierPath: join(consoleFolder, 'console.earlier.log'),
    },
  };
}
