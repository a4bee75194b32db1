import { mkdir } from 'node:fs/promises';
import { HearthError, type Config, type Progress } from '@hearth/contract';
import { makePrivateDisk } from '../disks/private-disk.ts';
import type { ProcessIdentity } from '../exec/process-identity.ts';
import type { SavedMemory, VmRecord } from '../journal/vm-records.ts';
import type { MemoryFile, RunningVmm, Vmm, VmmSpec } from '../vmm/vmm.ts';
import type { Golden, ImageSource } from './ports.ts';
import type { VmPaths } from './vm-paths.ts';

/** What a VM comes up from. */
export type Way =
  | { origin: 'image' }
  | { origin: 'snapshot'; golden: Golden }
  | { origin: 'hibernation'; saved: SavedMemory };

/** The file that the guest's memory is mapped from; null: the VMM has memory of its own. */
export function memoryOf(way: Way, record: Pick<VmRecord, 'memory'>): MemoryFile | null {
  if (way.origin === 'snapshot') return { path: way.golden.manifest.memory.path, shared: false };
  // A golden snapshot in the making was given its file when it was created.
  return way.origin === 'image' && record.memory?.shared === true ? record.memory : null;
}

/** The folders and the private disk of a VM, unless it has one from before. Throws disk_full, disk_failed. */
export async function makeDisk(
  way: Way,
  record: Pick<VmRecord, 'diskMiB' | 'keepsDisk'>,
  paths: VmPaths,
  { config, images }: { config: Config; images: ImageSource },
  progress: Progress,
): Promise<void> {
  if (record.keepsDisk) return;
  const source =
    way.origin === 'snapshot'
      ? way.golden.manifest.upper.path
      : await images.upperTemplate(record.diskMiB, progress);
  await makePrivateDisk(source, paths.upper, config.stateDir, progress);
}

export async function makeFolders(paths: VmPaths): Promise<void> {
  for (const folder of [paths.folder, paths.runFolder, paths.consoleFolder])
    await mkdir(folder, { recursive: true, mode: 0o700 });
}

interface Starting {
  way: Way;
  vmm: Vmm;
  spec: VmmSpec;
  paths: VmPaths;
  progress: Progress;
  onSpawned: (process: ProcessIdentity) => void;
}

/** Starts the VMM; one that came from saved memory is paused. Throws snapshot_invalid where that memory is refused. */
export async function startVmm({
  way,
  vmm,
  spec,
  paths,
  progress,
  onSpawned,
}: Starting): Promise<RunningVmm> {
  if (way.origin === 'image') return vmm.start(spec, progress, onSpawned);
  if (vmm.snapshots === null)
    throw new HearthError('snapshot_invalid', `${vmm.name} can't restore a VM on this machine`);
  const statePath = way.origin === 'snapshot' ? way.golden.manifest.state.path : paths.savedState;
  return vmm.snapshots.load(spec, statePath, progress, onSpawned);
}
