import { imageManifestSchema, vmSizeSchema } from '@hearth/contract';
import { z } from 'zod';

/** What goes to unclean-maker.ts, and what comes back. */
export const uncleanInputSchema = z.object({
  config: z.unknown(),
  image: imageManifestSchema,
  size: vmSizeSchema,
  needles: z.array(z.string()),
  /** Shell line that its root runs before it is saved. */
  plant: z.string(),
});
export const uncleanSchema = z.object({
  /** null: it was published. */
  error: z.object({ code: z.string(), detail: z.string() }).nullable(),
});
export type UncleanInput = z.input<typeof uncleanInputSchema>;
export type UncleanOutcome = z.infer<typeof uncleanSchema>;
