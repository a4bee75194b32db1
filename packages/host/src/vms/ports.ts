import type { Address, ImageId, ImageManifest, Progress, VmId } from '@hearth/contract';

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
