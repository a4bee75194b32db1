import { z } from 'zod';
import { vmIdSchema } from './ids.ts';

/** What a VM takes on its host; each kind is counted by itself. */
export const traceKinds = [
  'process',
  'dnsmasq',
  'tap',
  'pin',
  'reservation',
  'lease',
  'address',
  'socket',
  'disk',
  'folder',
  'console',
  'cgroup',
] as const;
export const traceKindSchema = z.enum(traceKinds);
export type TraceKind = z.infer<typeof traceKindSchema>;

/** One thing that has no record. */
export const leftoverSchema = z.object({
  kind: traceKindSchema,
  /** pid, interface, path, address. */
  name: z.string(),
  /** Why it counts as left over. */
  detail: z.string(),
  /** null in a dry run; false where its removal failed, with the reason in `detail`. */
  removed: z.boolean().nullable(),
});
export type Leftover = z.infer<typeof leftoverSchema>;

/** POST /v1/sweep of the host, POST /api/host/sweep. */
export const sweepRequestSchema = z.strictObject({
  /** Only tell. */
  dryRun: z.boolean().default(false),
});
export const sweepReportSchema = z.object({
  at: z.iso.datetime(),
  dryRun: z.boolean(),
  leftovers: z.array(leftoverSchema),
});
export type SweepReport = z.infer<typeof sweepReportSchema>;

/** What is compared: the book and the journal on one side, the machine on the other. */
export const driftSubjects = [
  'bridge',
  'forwarding',
  'tap',
  'fdb',
  'firewall',
  'pin',
  'dnsmasq',
  'reservation',
  'lease',
  'neighbour',
  'process',
  'disk',
  'console',
] as const;

/** One disagreement. */
export const driftSchema = z.object({
  subject: z.enum(driftSubjects),
  /** Interface, address, path, pid. */
  name: z.string(),
  vmId: vmIdSchema.nullable(),
  expected: z.string(),
  found: z.string(),
  /** repaired: it is as it should be again; named: only a person, or a restart of the VM, can mend it; failed: a repair was tried in vain. */
  outcome: z.enum(['repaired', 'named', 'failed']),
  /** What was done, or what to do. */
  detail: z.string(),
});
export type Drift = z.infer<typeof driftSchema>;

/** GET /v1/drift of the host, GET /api/host/drift. */
export const driftReportSchema = z.object({
  /** When the last pass ended. */
  at: z.iso.datetime(),
  /** VMs that were compared. */
  vms: z.number().int().nonnegative(),
  tookMs: z.number().nonnegative(),
  /** Of the last pass: first what is still wrong. */
  drifts: z.array(driftSchema),
  /** Passes and repairs since the daemon started. */
  passes: z.number().int().nonnegative(),
  repairs: z.number().int().nonnegative(),
});
export type DriftReport = z.infer<typeof driftReportSchema>;

/** GET and PUT /v1/drain of the host; kept over restarts. While it drains it takes no new VM and resumes none. */
export const drainSchema = z.strictObject({ draining: z.boolean() });
export type Drain = z.infer<typeof drainSchema>;
