import { open, rename, stat } from 'node:fs/promises';
import { HearthError, type Progress } from '@hearth/contract';
import { copySparse } from '../disks/copy-sparse.ts';
import { fileFingerprint } from '../disks/file-fingerprint.ts';
import type { SavedMemory } from '../journal/vm-records.ts';
import type { RunningVmm, SnapshotVerbs, Vmm } from '../vmm/vmm.ts';
import { hashFile } from '../images/content-hash.ts';
import { machineReasons } from '../snapshots/fitness.ts';
import type { VmPaths } from './vm-paths.ts';

/** Saves a paused VM beside its disk; both are on the disk when this returns. Throws disk_full, snapshot_failed: nothing is left then. */
export async function saveMemory(
  running: RunningVmm,
  vmm: Vmm,
  paths: VmPaths,
  progress: Progress,
): Promise<SavedMemory> {
  const snapshots = verbs(vmm);
  const { bytes, sha256 } = await running.save(paths.newState, progress);
  const disk = await open(paths.upper, 'r');
  try {
    await disk.sync();
  } finally {
    await disk.close();
  }
  await rename(paths.newState, paths.savedState);
  return {
    ...{ bytes, sha256 },
    fingerprint: await fileFingerprint(paths.savedState),
    machine: await snapshots.machine(),
  };
}

/** Throws snapshot_invalid where the file isn't what was saved, or this machine can't restore it. */
export async function checkMemory(
  saved: SavedMemory | null,
  vmm: Vmm,
  { savedState }: VmPaths,
  progress: Progress,
): Promise<SavedMemory> {
  if (saved === null)
    throw new HearthError('snapshot_invalid', 'its memory was lost when it last came up; its disk is whole');
  const reasons = machineReasons(saved.machine, await verbs(vmm).machine());
  if (reasons.length > 0)
    throw new HearthError(
      'snapshot_invalid',
      `its memory was saved on another machine: ${reasons.join('; ')}`,
    );
  const found = await stat(savedState).catch(() => null);
  if (found === null) throw new HearthError('snapshot_invalid', `${savedState} is gone`);
  if (found.size !== saved.bytes)
    throw new HearthError(
      'snapshot_invalid',
      `${savedState} has ${found.size} bytes, ${saved.bytes} were saved`,
    );
  if ((await fileFingerprint(savedState)) === saved.fingerprint) return saved;
  const sha256 = await hashFile(savedState, progress.signal);
  if (sha256 !== saved.sha256)
    throw new HearthError(
      'snapshot_invalid',
      `${savedState} has sha256 ${sha256}, ${saved.sha256} was saved`,
    );
  return saved;
}

/** Copies one saved VM's disk and memory for another; holes stay holes. Its fingerprint is the source's until it is hashed. */
export async function copySaved(from: VmPaths, to: VmPaths, progress: Progress): Promise<void> {
  await copyDisk(from, to, progress);
  await copySparse(from.savedState, to.savedState, { signal: progress.signal, code: 'disk_failed' });
}

/** The same for a VM that was powered off. */
export async function copyDisk(from: VmPaths, to: VmPaths, progress: Progress): Promise<void> {
  await copySparse(from.upper, to.upper, { signal: progress.signal, code: 'disk_failed' });
}

function verbs({ name, snapshots }: Vmm): SnapshotVerbs {
  if (snapshots === null)
    throw new HearthError('snapshot_failed', `${name} can't save and restore VMs on this machine`);
  return snapshots;
}
