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
  return [
    ...differences([
      ['image', snapshot.imageId, image.id],
      [
        'kernel',
        snapshot.kernelSha256,
        snapshot.imageId === image.id ? kernelHash(image) : snapshot.kernelSha256,
      ],
    ]),
    ...machineReasons(snapshot.machine, machine),
  ];
}

/** Why a state saved on one machine can't be restored on another; empty where it can. Pure. */
export function machineReasons(made: SnapshotMachine, machine: SnapshotMachine): string[] {
  const tscFits = Math.abs(made.tscKhz - machine.tscKhz) <= machine.tscKhz * TSC_TOLERANCE;
  return differences([
    ['VMM', `${made.vmm.name} ${made.vmm.version}`, `${machine.vmm.name} ${machine.vmm.version}`],
    ['accelerator', made.accelerator, machine.accelerator],
    ['machine model', made.model, machine.model],
    ['processor', made.processor, machine.processor],
    ['time stamp counter', `${made.tscKhz} kHz`, `${tscFits ? made.tscKhz : machine.tscKhz} kHz`],
  ]);
}

function differences(compared: [what: string, then: string, now: string][]): string[] {
  return compared.flatMap(([what, then, now]) =>
    then === now ? [] : [`it was made with ${what} ${then}, this is ${now}`],
  );
}

export function isOfSize(snapshot: SnapshotManifest, wanted: WantedGolden): boolean {
  return (
    snapshot.kind === wanted.kind &&
    snapshot.cpus === wanted.cpus &&
    snapshot.memMiB === wanted.memMiB &&
    snapshot.diskMiB === wanted.diskMiB
  );
}
