import { z } from 'zod';
import { failureSchema } from './errors.ts';
import { imageIdSchema, userIdSchema, vmIdSchema } from './ids.ts';
import { findingSchema } from './why.ts';

export const vmKinds = ['browser', 'cli'] as const;
export const vmKindSchema = z.enum(vmKinds);
export type VmKind = z.infer<typeof vmKindSchema>;

/**
 * requested: recorded, not yet handed to the host; starting: the host makes it; ready: proven to answer;
 * hibernating: its memory is being saved; hibernated: memory and disk are files, everything else is given back;
 * failed: it did not become ready or died, with its cause; deleting; deleted: nothing of it is left but its record and console.
 */
export const vmStates = [
  'requested',
  'starting',
  'ready',
  'hibernating',
  'hibernated',
  'failed',
  'deleting',
  'deleted',
] as const;
export const vmStateSchema = z.enum(vmStates);
export type VmState = z.infer<typeof vmStateSchema>;

/**
 * Phases of a VM's way to its user. A boot from the image: admitted, disk, tap, vmm, kernel, init, network, agent, identity, ready.
 * From saved memory instead: load (device state and memory are in the VMM), resume (its processors run), agent, identity (the
 * guest is this VM and no other), network, ready. A VM that waited in the warm pool: taken, ready. Later, where it has a
 * desktop: thaw (its browser runs on, because someone looks), first_frame (the first picture went to a viewer).
 */
export const bootPhases = [
  'taken',
  'admitted',
  'disk',
  'tap',
  'vmm',
  'load',
  'resume',
  'kernel',
  'init',
  'network',
  'agent',
  'identity',
  'ready',
  'thaw',
  'first_frame',
] as const;
export const bootPhaseSchema = z.enum(bootPhases);
export type BootPhase = z.infer<typeof bootPhaseSchema>;

/** One phase that was reached. */
export const phaseMarkSchema = z.object({
  phase: bootPhaseSchema,
  /** Milliseconds since the VM was requested (host clock, monotonic within one host). */
  atMs: z.number().nonnegative(),
});
export type PhaseMark = z.infer<typeof phaseMarkSchema>;

/** The marks by time: those of the way to `ready`, and those of what happened when someone came to look. */
export function splitPhases(marks: readonly PhaseMark[]): { toReady: PhaseMark[]; later: PhaseMark[] } {
  const sorted = marks.toSorted((a, b) => a.atMs - b.atMs);
  const isLater = ({ phase }: PhaseMark): boolean => bootPhases.indexOf(phase) > bootPhases.indexOf('ready');
  return { toReady: sorted.filter((mark) => !isLater(mark)), later: sorted.filter(isLater) };
}

/** What a VM came up from. image: a boot; snapshot: a golden snapshot; hibernation: its own memory, or that of the VM it was forked from. */
export const vmOrigins = ['image', 'snapshot', 'hibernation'] as const;
export const vmOriginSchema = z.enum(vmOrigins);
export type VmOrigin = z.infer<typeof vmOriginSchema>;

export const timelineSchema = z.object({
  /** When the VM was requested. */
  startedAt: z.iso.datetime(),
  phases: z.array(phaseMarkSchema),
});
export type Timeline = z.infer<typeof timelineSchema>;

export const vmSizeSchema = z.object({
  cpus: z.number().int().positive(),
  /** Guest memory in MiB. */
  memMiB: z.number().int().positive(),
  /** Virtual size of the private disk in MiB; it is sparse. */
  diskMiB: z.number().int().positive(),
});
export type VmSize = z.infer<typeof vmSizeSchema>;

/** Size of a desktop's screen in pixels. */
export const geometrySchema = z.object({
  width: z.int().min(320).max(4096),
  height: z.int().min(240).max(4096),
});
export type Geometry = z.infer<typeof geometrySchema>;

/** What the API shows of a VM. */
export const vmSchema = z.object({
  id: vmIdSchema,
  /** null: a warm VM that nobody has taken yet; only administrators see those. */
  userId: userIdSchema.nullable(),
  kind: vmKindSchema,
  state: vmStateSchema,
  /** Counts every change; two views with the same version are the same. */
  version: z.number().int().nonnegative(),
  ...vmSizeSchema.shape,
  /** Size that its desktop was asked to have; null for a VM without one. A viewer may resize it later. */
  desktop: geometrySchema.nullable(),
  /** IPv4 address booked for the VM; null before it has one and once it gave it back (failed, deleted). */
  ip: z.ipv4().nullable(),
  imageId: imageIdSchema.nullable(),
  createdAt: z.iso.datetime(),
  readyAt: z.iso.datetime().nullable(),
  deletedAt: z.iso.datetime().nullable(),
  /** What it came up from the last time; null before that is known. */
  origin: vmOriginSchema.nullable(),
  /** When a command, a file, a desktop or a terminal of it was last in use. */
  lastUsedAt: z.iso.datetime().nullable(),
  /** Since when it has been hibernated; null unless it is. */
  hibernatedAt: z.iso.datetime().nullable(),
  /** When a hibernated VM will be deleted unless it is resumed before; null where it won't. */
  deletesAt: z.iso.datetime().nullable(),
  timeline: timelineSchema,
  /** Why it failed, or why its resumption did, after which it is `hibernated` again; else null. */
  failure: failureSchema.nullable(),
  /** What `why` found when it failed, or, while it is `ready`, when it stopped answering: null while it is well. */
  finding: findingSchema.nullable(),
});
export type Vm = z.infer<typeof vmSchema>;

/** Body of POST /api/vms. What is left out takes the kind's default. */
export const createVmSchema = z.strictObject({
  kind: vmKindSchema,
  cpus: vmSizeSchema.shape.cpus.optional(),
  memMiB: vmSizeSchema.shape.memMiB.optional(),
  diskMiB: vmSizeSchema.shape.diskMiB.optional(),
  /** For kind `browser` only: the size of its screen. */
  desktop: z.strictObject(geometrySchema.shape).optional(),
  /** cold: boot the image, also where a snapshot or a warm VM is there. Default: auto. */
  start: z.enum(['auto', 'cold']).optional(),
  /** For an administrator: whose VM it is to be. */
  userId: userIdSchema.optional(),
});
export type CreateVm = z.infer<typeof createVmSchema>;

/** Body of POST /api/vms/:id/resume. */
export const resumeVmSchema = z.strictObject({
  /** Boot its disk afresh, without the saved memory: the way out where that is damaged. Its processes are lost. */
  cold: z.boolean().default(false),
});
export type ResumeVm = z.infer<typeof resumeVmSchema>;
