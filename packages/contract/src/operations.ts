import { z } from 'zod';
import { failureSchema } from './errors.ts';
import { hostCapacitySchema } from './host-api.ts';
import { userIdSchema, vmIdSchema } from './ids.ts';
import { findingSchema } from './why.ts';

/** closed: VMs are created; open: creation is stopped; half_open: one probe VM is on its way, and its outcome decides. */
export const breakerStates = ['closed', 'open', 'half_open'] as const;

/** The circuit breaker of creation. */
export const breakerSchema = z.object({
  state: z.enum(breakerStates),
  /** Starts that ended within the window. */
  failures: z.number().int().nonnegative(),
  successes: z.number().int().nonnegative(),
  openedAt: z.iso.datetime().nullable(),
  /** When a probe is made; null unless `open`. */
  probeAt: z.iso.datetime().nullable(),
  /** null unless `half_open`. */
  probeVmId: vmIdSchema.nullable(),
  /** The failure that opened it, with what `why` found; null while `closed`. */
  reason: z
    .object({ vmId: vmIdSchema, failure: failureSchema, finding: findingSchema.nullable() })
    .nullable(),
});
export type Breaker = z.infer<typeof breakerSchema>;

/** GET /api/host: what an operator looks at first (administrators). */
export const hostStateSchema = z.object({
  draining: z.boolean(),
  capacity: hostCapacitySchema,
  breaker: breakerSchema,
  /** Disagreements of the last reconcile pass that could not be repaired. */
  drifts: z.number().int().nonnegative(),
  /** VMs that don't answer, or answer wrongly. */
  unhealthy: z.array(z.object({ vmId: vmIdSchema, finding: findingSchema })),
});
export type HostState = z.infer<typeof hostStateSchema>;

/** PUT /api/host/drain */
export const drainRequestSchema = z.strictObject({
  draining: z.boolean(),
  /** With `draining`: CLI VMs that nothing uses are hibernated, warm VMs deleted. */
  hibernate: z.boolean().default(false),
});
export type DrainRequest = z.infer<typeof drainRequestSchema>;
/** What is still there: nothing is lost if the machine goes down once `starting` and `running` are 0. */
export const drainStateSchema = z.object({
  draining: z.boolean(),
  /** VMs on their way up or down. */
  starting: z.number().int().nonnegative(),
  /** VMs that are ready. */
  running: z.number().int().nonnegative(),
  hibernated: z.number().int().nonnegative(),
});
export type DrainState = z.infer<typeof drainStateSchema>;

/** What one person may have at once; hibernated VMs count as VMs, not as memory and CPUs. null: no limit but the host's. */
export const quotaSchema = z.strictObject({
  vms: z.int().min(0).max(10_000),
  memMiB: z.int().min(0).nullable(),
  cpus: z.int().min(0).nullable(),
});
export type Quota = z.infer<typeof quotaSchema>;

/** PUT /api/users/:id/quota: what is left out takes the default of the configuration; {} takes all of it back. */
export const quotaRequestSchema = quotaSchema.partial();
export type QuotaRequest = z.infer<typeof quotaRequestSchema>;

/** One of GET /api/users (administrators). */
export const userSchema = z.object({
  id: userIdSchema,
  name: z.string(),
  quota: quotaSchema,
  /** Is the quota this person's own, and not the default? */
  ownQuota: z.boolean(),
  /** What is in use now. */
  used: z.object({ vms: z.int(), memMiB: z.int(), cpus: z.int() }),
});
export type User = z.infer<typeof userSchema>;
export const userListSchema = z.object({ users: z.array(userSchema) });
