import type { Address, Config, ImageId, ImageManifest, Log, Progress, VmId } from '@hearth/contract';
import type { AgentClient } from '../guest-link/agent-client.ts';
import type { VmRecords } from '../journal/vm-records.ts';
import type { AcceleratorProbe } from '../vmm/accelerator.ts';
import type { Vmm } from '../vmm/vmm.ts';
import type { BootSlots } from './admission.ts';

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
  /** Booked durably before it returns. Throws addresses_exhausted. */
  allocate(vmId: VmId): Address;
  /** Only once the VMM's death is confirmed (F17). */
  free(vmId: VmId): void;
  readonly freeCount: number;
}

export interface VmNetwork {
  attach(address: Address, progress: Progress): Promise<void>;
  detach(address: Address): Promise<void>;
}

/** All that the life of a VM is given. */
export interface VmHostDeps {
  config: Config;
  vmm: () => Promise<Vmm>;
  probe: () => Promise<AcceleratorProbe>;
  images: ImageSource;
  addresses: AddressSource;
  network: VmNetwork;
  records: VmRecords;
  agents: AgentClient;
  slots: BootSlots;
  randomBytes: (size: number) => Buffer;
  now: () => number;
  log: Log;
}
