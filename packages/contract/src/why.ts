import { z } from 'zod';
import { vmIdSchema } from './ids.ts';
import { layers } from './layers.ts';
import { whyCauseNames, whyCauses, whyChecks, type WhyCause } from './why-causes.ts';

/** ok: looked at and right; broken: looked at and wrong; unknown: it could not be looked at; skipped: there is nothing to look at. */
export const whyStatuses = ['ok', 'broken', 'unknown', 'skipped'] as const;

export const whyCheckSchema = z.object({
  name: z.enum(whyChecks),
  layer: z.enum(layers),
  status: z.enum(whyStatuses),
  /** What was found, in one sentence. */
  says: z.string(),
  /** What it was found from: lines of consoles, answers of programs, entries of tables. Never a secret. */
  evidence: z.array(z.string()),
  /** Of the table of causes; null unless `broken`. */
  cause: z.enum(whyCauseNames).nullable(),
});
export type WhyCheck = z.infer<typeof whyCheckSchema>;

/** The answer in short, as it is kept with a VM. */
export const findingSchema = z.object({
  cause: z.enum(whyCauseNames),
  /** The check that names it. */
  check: z.enum(whyChecks),
  layer: z.enum(layers),
  title: z.string(),
  /** What exactly was found. */
  detail: z.string(),
  /** What to do. */
  hint: z.string(),
  at: z.iso.datetime(),
});
export type Finding = z.infer<typeof findingSchema>;

/**
 * healthy: every check that could be made passed; broken: `finding` names the first broken layer; not_running: it is hibernated or
 * was deleted, so that there is nothing to reach.
 */
export const whyVerdicts = ['healthy', 'broken', 'not_running'] as const;

/** Why can't I reach this VM? GET /api/vms/:id/why */
export const whySchema = z.object({
  vmId: vmIdSchema,
  /** When it was looked at. */
  at: z.iso.datetime(),
  /** asked: somebody asked now; failed: kept when the VM failed; unhealthy: kept when a VM that was ready stopped answering. */
  trigger: z.enum(['asked', 'failed', 'unhealthy']),
  verdict: z.enum(whyVerdicts),
  /** One sentence for a reader in a hurry. */
  summary: z.string(),
  /** null unless `broken`. */
  finding: findingSchema.nullable(),
  /** In the order of the walk; all that were made, also beyond the first broken one. */
  checks: z.array(whyCheckSchema),
  tookMs: z.number().nonnegative(),
});
export type Why = z.infer<typeof whySchema>;

export function makeFinding(cause: WhyCause, layer: Finding['layer'], detail: string, at: Date): Finding {
  const { check, title, hint } = whyCauses[cause];
  return { cause, check, layer, title, detail, hint, at: at.toISOString() };
}
