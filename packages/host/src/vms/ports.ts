import type {
  Address,
  Config,
  HostVm,
  ImageId,
  ImageManifest,
  Log,
  Progress,
  SnapshotId,
  SnapshotManifest,
  VmId,
  Why,
} from '@hearth/contract';
import type { DiagnosisSubject } from '../diagnosis/diagnose.ts';
import type { AgentClient } from '../guest-link/agent-client.ts';
import type { VmRecords } from '../journal/vm-records.ts';
import type { AcceleratorProbe } from '../vmm/accelerator.ts';
import type { Vmm } from '../vmm/vmm.ts';
import type { Admission } from './admission.ts';
import type { BootSlots } from './boot-slots.ts';
import type { BootSecrets } from './boot-secrets.ts';

/** What the life of a VM needs of the parts around it. */
export interface ImageSource {
  /** The newest image that passed its gate. Throws image_missing. */
  current(): Promise<ImageManifest>;
  /** Throws not_found. */
  byId(id: ImageId): Promise<ImageManifest>;
  /** An empty file system of that virtual size, to be copied. */
  upperTemplate(sizeMiB: number, progress: Progress): Promise<string>;
}

export interface AddressSource {
  /**
   * Booked durably before it returns. Throws addresses_exhausted.
   * @param machineId of a VM that had one before; a new one where left out
   */
  allocate(vmId: VmId, machineId?: string): Address;
  /** Only once the VMM's death is confirmed (F17). */
  free(vmId: VmId): void;
  readonly freeCount: number;
}

export interface VmNetwork {
  attach(address: Address, progress: Progress): Promise<void>;
  detach(address: Address): Promise<void>;
}

/** A golden snapshot's files; they never change while it exists. */
export interface Golden {
  manifest: SnapshotManifest;
}

export interface GoldenSource {
  /**
   * What a VM of this kind, size and image may be cloned from; null where there is none that fits this machine and is whole.
   * Quick: files are hashed again only where they changed since they were last.
   */
  find(
    wanted: Pick<HostVm, 'kind' | 'cpus' | 'memMiB' | 'diskMiB'> & { imageId: ImageId },
  ): Promise<Golden | null>;
  /** The VMM refused it: it is not used again. */
  reject(id: SnapshotId, reason: string): void;
}

/** Says why a VM can't be reached, and remembers it. */
export interface DiagnosisSource {
  /** Never throws for what is broken; only where `signal` ends it. */
  diagnose(subject: DiagnosisSubject, trigger: Why['trigger'], signal: AbortSignal): Promise<Why>;
  /** Outlives the VM, as its console does. */
  keep(why: Why): Promise<void>;
  find(vmId: VmId): Promise<Why | null>;
}

/** All that the life of a VM is given. */
export interface VmHostDeps {
  config: Config;
  vmm: () => Promise<Vmm>;
  probe: () => Promise<AcceleratorProbe>;
  images: ImageSource;
  goldens: GoldenSource;
  addresses: AddressSource;
  network: VmNetwork;
  records: VmRecords;
  agents: AgentClient;
  diagnosis: DiagnosisSource;
  admission: Pick<Admission, 'admit'>;
  slots: BootSlots;
  /** New for each start of a VM and each daemon. */
  bootSecrets: () => BootSecrets;
  randomBytes: (size: number) => Buffer;
  /** Certificate authorities that guests shall trust, PEM. */
  caCertificates: readonly string[];
  now: () => number;
  log: Log;
}
