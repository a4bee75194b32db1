import { z } from 'zod';
import { heldCredentialSchema } from './credential.ts';
import { failureSchema } from './errors.ts';
import { imageIdSchema, vmIdSchema } from './ids.ts';
import { geometrySchema, phaseMarkSchema, vmKindSchema, vmOriginSchema, vmSizeSchema } from './vm.ts';
import { findingSchema } from './why.ts';

/**
 * API of the host daemon over its unix socket:
 *   GET    /v1/health                         hostHealthSchema
 *   GET    /v1/capacity                       hostCapacitySchema
 *   GET    /v1/vms                            { vms: HostVm[] }
 *   GET    /v1/vms/:id                        HostVm
 *   PUT    /v1/vms/:id                        hostCreateVmSchema → 202 HostVm (idempotent by id; the boot goes on by itself)
 *   POST   /v1/vms/:id/hibernate              200 HostVm once it is hibernated (kind `cli` only); on an error it goes on as before. A VM that
 *                                             held a credential since its start is powered off and keeps its disk, not its memory
 *   POST   /v1/vms/:id/resume                 hostResumeVmSchema → 202 HostVm; snapshot_invalid where its memory is damaged: it stays hibernated
 *   GET    /v1/snapshots                      { snapshots: Snapshot[] } (snapshot.ts)
 *   DELETE /v1/snapshots/:id                  200 { id, freedBytes }; snapshot_in_use while a clone lives
 *   POST   /v1/vms/:id/restart                hostRestartVmSchema → 202 HostVm (kind `cli` only): its VMM is ended, its disk boots anew, in any
 *                                             state in which it should run; conflict else
 *   GET    /v1/vms/:id/why?stored             whySchema, looked at now; with `stored=true` (and always once it failed) what was kept when it failed
 *                                             or stopped answering, also after the VM is gone; not_found where nothing was kept
 *   POST   /v1/sweep                          sweepRequestSchema → sweepReportSchema: what has no record (host-state.ts)
 *   GET    /v1/drift?now                      driftReportSchema of the last reconcile pass; with `now=true` of one made now
 *   GET    /v1/drain, PUT /v1/drain           drainSchema: while it drains, creations and resumptions are refused with host_draining
 *   GET    /v1/metrics                        text of Prometheus
 *   DELETE /v1/vms/:id                        200 goneVmSchema, once nothing is left; an unknown id is gone already
 *   GET    /v1/events                         NDJSON of HostEvent: first one `vm` for each VM, then every change, `beat` at least every 10 s
 *   GET    /v1/vms/:id/console?follow&timestamps   text/plain, also after the VM is gone
 *   POST   /v1/vms/:id/exec …/stdin …/signal, GET/PUT /v1/vms/:id/files   passed to the agent as they are (see exec.ts)
 *   GET    /v1/vms/:id/credentials/:provider   guestCredentialSchema, by the control channel; not_found where the VM has none
 *   PUT    /v1/vms/:id/credentials/:provider   guestCredentialSchema → 204: the VM has it now, in a tmpfs only
 *   POST   /v1/vms/:id/credentials/:provider/kept   keptCredentialSchema → 204: the vault has taken over what the tool rewrote
 *   DELETE /v1/vms/:id/credentials/:provider   200 guestCredentialSchema: its last content; it is erased there, and what used it has ended
 *   PUT/GET /v1/vms/:id/signin, GET …/signin/events, POST …/signin/code|open-url|cancel      passed to the agent (see signin.ts)
 *   PUT/DELETE /v1/vms/:id/runs/:runId, GET …/output, POST …/cancel                          passed to the agent (see run.ts)
 *   GET/POST /v1/vms/:id/terminals, DELETE …/:terminalId                                     passed to the agent (see terminal.ts)
 *   GET    /v1/vms/:id/terminals/:terminalId/attach with `Upgrade: hearth-terminal`         101, then its frames both ways
 *   GET    /v1/vms/:id/folders                 passed to the agent as it is (see exec.ts)
 *   GET    /v1/vms/:id/desktop with `Upgrade: rfb`   101, then the bytes of the VM's VNC server both ways; the answer's header
 *                                             DESKTOP_PASSWORD_HEADER holds the password that it will ask for
 * The header `x-request-id` is taken over into logs.
 */
/** Header of the answer that opens a desktop; for the controller only, never for a page or a log. */
export const DESKTOP_PASSWORD_HEADER = 'hearth-vnc-password';
/** Value of `Upgrade` that opens a desktop. */
export const DESKTOP_PROTOCOL = 'rfb';

export const hostVmStates = [
  'creating',
  'booting',
  'ready',
  'hibernating',
  'hibernated',
  'failed',
  'deleting',
  'gone',
] as const;
export const hostVmStateSchema = z.enum(hostVmStates);
export type HostVmState = z.infer<typeof hostVmStateSchema>;

export const hostCreateVmSchema = z
  .strictObject({
    kind: vmKindSchema,
    ...vmSizeSchema.shape,
    /** For a browser VM: the size of its screen; null for others. */
    desktop: geometrySchema.nullable(),
    /** When the user asked for it (epoch ms): the zero of the timeline. */
    requestedAtMs: z.number(),
    requestId: z.string(),
    /** Whose turn in the queue of starts it takes: a person, or the warm pool. */
    queue: z.string().max(64).optional(),
    /** cold: boot the image, also where a snapshot is there. */
    start: z.enum(['auto', 'cold']).optional(),
    /** Copy memory and disk of that VM, of the same kind and size, which is hibernated or ready; the copy gets its own identity. */
    forkOf: vmIdSchema.optional(),
  })
  .refine(({ kind, desktop }) => (kind === 'browser') === (desktop !== null), {
    path: ['desktop'],
    message: 'a browser VM has a desktop, no other VM has',
  });
export type HostCreateVm = z.infer<typeof hostCreateVmSchema>;

export const hostResumeVmSchema = z.strictObject({
  /** Boot the disk without the saved memory. */
  cold: z.boolean(),
  /** When the user asked for it (epoch ms): the new zero of the timeline. */
  requestedAtMs: z.number(),
  requestId: z.string(),
});
export type HostResumeVm = z.infer<typeof hostResumeVmSchema>;

/** POST …/restart */
export const hostRestartVmSchema = hostResumeVmSchema.omit({ cold: true });
export type HostRestartVm = z.infer<typeof hostRestartVmSchema>;

/** POST …/credentials/:provider/kept */
export const keptCredentialSchema = z.strictObject({
  version: z.number().int().positive(),
  digest: z.string(),
});

/** A line of the address book: the one truth of the network. */
export const addressSchema = z.object({
  ip: z.ipv4(),
  /** Derived from the address, see address-book. */
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  tap: z.string().max(15),
  hostname: z.string(),
  machineId: z.string(),
});
export type Address = z.infer<typeof addressSchema>;

export const hostVmSchema = z.object({
  id: vmIdSchema,
  kind: vmKindSchema,
  state: hostVmStateSchema,
  ...vmSizeSchema.shape,
  desktop: geometrySchema.nullable(),
  imageId: imageIdSchema.nullable(),
  address: addressSchema.nullable(),
  /** What it came up from the last time; null before that is known. */
  origin: vmOriginSchema.nullable(),
  /** Of the last start; none while it is hibernated. */
  phases: z.array(phaseMarkSchema),
  /** What credentials its guest has, as it last said; none unless it is ready. */
  credentials: z.array(heldCredentialSchema),
  /** Why it failed; in state `hibernated`: why the last resumption did. */
  failure: failureSchema.nullable(),
  /** What `why` found when it failed, or, while it is ready, since it stopped answering: null while it is well. */
  finding: findingSchema.nullable().default(null),
  /** Counts every change. */
  version: z.number().int().nonnegative(),
});
export type HostVm = z.infer<typeof hostVmSchema>;

/** Answer of DELETE. */
export const goneVmSchema = z.object({ id: vmIdSchema, state: z.literal('gone') });
export type GoneVm = z.infer<typeof goneVmSchema>;

export const hostEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('vm'), vm: hostVmSchema }),
  z.object({ type: z.literal('beat') }),
]);
export type HostEvent = z.infer<typeof hostEventSchema>;

/** One real check. */
export const checkSchema = z.object({ name: z.string(), ok: z.boolean(), detail: z.string() });
export type Check = z.infer<typeof checkSchema>;

export const hostHealthSchema = z.object({
  status: z.enum(['ok', 'degraded']),
  version: z.string(),
  uptimeSeconds: z.number(),
  /** bridge, dnsmasq, firewall, disk, image, vmm, snapshots. */
  checks: z.array(checkSchema),
});
export type HostHealth = z.infer<typeof hostHealthSchema>;

export const hostCapacitySchema = z.object({
  cpus: z.number().int(),
  memMiB: z.number().int(),
  /** Memory of the machine less the reserve and all VMs. */
  memFreeMiB: z.number().int(),
  /** Below the state folder, less `vms.reserveDiskMiB`. */
  diskFreeMiB: z.number().int(),
  /** CPUs that can still be promised: the machine's times `vms.cpuOvercommit`, less those of all VMs. */
  cpusFree: z.number().int(),
  /** Starts under way, and those that wait for their turn. */
  starts: z.object({ running: z.number().int(), waiting: z.number().int() }),
  addressesFree: z.number().int(),
  accelerator: z.enum(['kvm', 'tcg', 'unknown']),
});
export type HostCapacity = z.infer<typeof hostCapacitySchema>;
