import type { ImageManifest, SnapshotMachine, SnapshotManifest, VmKind, VmSize } from '@hearth/contract';
import { hashValue } from '../images/content-hash.ts';

/** A guest's clock counts the host's time stamp counter: off by more, and it runs visibly wrong. */
const TSC_TOLERANCE = 0.001;

export interface WantedGolden extends VmSize {
  kind: VmKind;
}

/** sha256 of kernel and initramfs, which are in a snapshot's memory. */
export const kernelHash = ({ kernel, initrd }: Pick<ImageManifest, 'kernel' | 'initrd'>): string =>
  hashValue([kernel.sha256, initrd.sha256]);

/** Why a snapshot can't be restored on this machine, or not as a VM of this image; empty where it can. Pure. */
export function unfitReasons(
  snapshot: SnapshotManifest,
  machine: SnapshotMachine,
  image: Pick<ImageManifest, 'id' | 'kernel' | 'initrd'>,
): string[] {
  const made = snapshot.machine;
  const reasons: string[] = [];
  const compare = (what: string, then: string, now: string): void => {
    if (then !== now) reasons.push(`it was made with ${what} ${then}, this is ${now}`);
  };
  compare('image', snapshot.imageId, image.id);
  if (snapshot.imageId === image.id) compare('kernel', snapshot.kernelSha256, kernelHash(image));
  compare('VMM', `${made.vmm.name} ${made.vmm.version}`, `${machine.vmm.name} ${machine.vmm.version}`);
  compare('accelerator', made.accelerator, machine.accelerator);
  compare('machine model', made.model, machine.model);
  compare('processor', made.processor, machine.processor);
  if (Math.abs(made.tscKhz - machine.tscKhz) > machine.tscKhz * TSC_TOLERANCE)
    compare('time stamp counter', `${made.tscKhz} kHz`, `${machine.tscKhz} kHz`);
  return reasons;
}

export function isOfSize(snapshot: SnapshotManifest, wanted: WantedGolden): boolean {
  return (
    snapshot.kind === wanted.kind &&
    snapshot.cpus === wanted.cpus &&
    snapshot.memMiB === wanted.memMiB &&
    snapshot.diskMiB === wanted.diskMiB
  );
}
