import { z } from 'zod';
import { fileSchema } from './image.ts';
import { imageIdSchema, snapshotIdSchema } from './ids.ts';
import { geometrySchema, vmKindSchema, vmSizeSchema } from './vm.ts';

/** On what a snapshot was made. It is restored only where all of this is the same. */
export const snapshotMachineSchema = z.object({
  vmm: z.object({ name: z.enum(['qemu', 'firecracker']), version: z.string() }),
  accelerator: z.enum(['kvm', 'tcg']),
  /** The VMM's machine and CPU model, as it is told. */
  model: z.string(),
  /** The processor, where the guest sees it (KVM): its name and a hash of its features; `any` under emulation. */
  processor: z.string(),
  /** Rate of the time stamp counter, which the guest's clock counts. */
  tscKhz: z.number(),
});
export type SnapshotMachine = z.infer<typeof snapshotMachineSchema>;

/** manifest.json of a golden snapshot: immutable, written last. */
export const snapshotManifestSchema = z.object({
  id: snapshotIdSchema,
  createdAt: z.iso.datetime(),
  kind: vmKindSchema,
  ...vmSizeSchema.shape,
  /** Size of its screen; null without one. */
  desktop: geometrySchema.nullable(),
  imageId: imageIdSchema,
  /** sha256 of kernel and initramfs: they are in the memory. */
  kernelSha256: z.string(),
  agentVersion: z.string(),
  machine: snapshotMachineSchema,
  /** Mapped privately by every clone. */
  memory: fileSchema,
  /** State of processors and devices. */
  state: fileSchema,
  /** The disk that was written while it booted; every clone has a copy. */
  upper: fileSchema,
  /** What the search for secrets looked at and for (see docs/security.md). */
  search: z.object({ bytes: z.number().int(), needles: z.number().int(), controls: z.number().int() }),
});
export type SnapshotManifest = z.infer<typeof snapshotManifestSchema>;

/** What is shown of a golden snapshot. */
export const snapshotSchema = z.object({
  id: snapshotIdSchema,
  createdAt: z.iso.datetime(),
  kind: vmKindSchema,
  ...vmSizeSchema.shape,
  imageId: imageIdSchema,
  /** Bytes that it takes on the disk. */
  bytes: z.number().int(),
  /** ready: new VMs start from it; stale: of another image, machine or VMM than this host has now; invalid: damaged. */
  status: z.enum(['ready', 'stale', 'invalid']),
  /** Why it is not ready. */
  detail: z.string(),
  /** Living VMs that were cloned from it. */
  clones: z.number().int(),
});
export type Snapshot = z.infer<typeof snapshotSchema>;
/** GET /api/snapshots (admin) and GET /v1/snapshots of the host. */
export const snapshotListSchema = z.object({
  snapshots: z.array(snapshotSchema),
  /** What is being made now, or why the last try failed; null where nothing is to be made. */
  making: z.string().nullable(),
});
export type SnapshotList = z.infer<typeof snapshotListSchema>;
export const removedSnapshotSchema = z.object({ id: snapshotIdSchema, freedBytes: z.number().int() });
export type RemovedSnapshot = z.infer<typeof removedSnapshotSchema>;
