import { z } from 'zod';
import { problemSchema } from './errors.ts';
import { imageIdSchema, snapshotIdSchema } from './ids.ts';
import { vmKindSchema } from './vm.ts';

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);
export const fileSchema = z.object({
  /** Absolute path of the immutable file. */
  path: z.string(),
  sha256: sha256Schema,
  bytes: z.number().int().nonnegative(),
});
const namedVersionSchema = z.object({ name: z.string(), version: z.string() });

/** Filesystem labels by which the guest finds its disks. */
export const diskLabels = { base: 'hearth-base', agent: 'hearth-agent', upper: 'hearth-upper' } as const;

/** One check of the gate: a command that is run in the guest and must exit with 0 and match. */
export const capabilitySchema = z.object({
  name: z.string(),
  /** In VMs of which kinds it must hold. */
  kinds: z.array(vmKindSchema).min(1),
  command: z.array(z.string()).min(1),
  user: z.enum(['hearth', 'root']),
  /** Regular expression that standard output must match. */
  expect: z.string().optional(),
  /** Milliseconds on a host with KVM; multiplied by the host's measured slowness elsewhere. */
  timeoutMs: z.number().int().positive(),
});
export type Capability = z.infer<typeof capabilitySchema>;

/** manifest.json of an image: immutable, written last. */
export const imageManifestSchema = z.object({
  id: imageIdSchema,
  createdAt: z.iso.datetime(),
  suite: z.string(),
  arch: z.literal('x86_64'),
  kernel: fileSchema.extend({ release: z.string() }),
  initrd: fileSchema,
  /** Read-only raw ext4 layers, lowest first. */
  layers: z.array(fileSchema.extend({ role: z.enum(['base', 'agent']) })).min(1),
  packages: z.array(namedVersionSchema),
  tools: z.array(namedVersionSchema),
  agent: z.object({ version: z.string(), sha256: sha256Schema }),
  capabilities: z.array(capabilitySchema),
  /** Bytes of all files together. */
  totalBytes: z.number().int().nonnegative(),
});
export type ImageManifest = z.infer<typeof imageManifestSchema>;

/** gate.json beside the manifest. Only an image that passed is used. */
export const imageGateSchema = z.object({
  status: z.enum(['passed', 'failed']),
  at: z.iso.datetime(),
  vmm: z.string(),
  results: z.array(
    z.object({
      name: z.string(),
      kind: vmKindSchema,
      ok: z.boolean(),
      detail: z.string(),
      durationMs: z.number(),
    }),
  ),
});
export type ImageGate = z.infer<typeof imageGateSchema>;

export const imageSummarySchema = z.object({
  id: imageIdSchema,
  createdAt: z.iso.datetime(),
  suite: z.string(),
  agentVersion: z.string(),
  totalBytes: z.number(),
  gate: z.enum(['pending', 'passed', 'failed']),
  /** The newest image that passed its gate: what new VMs start from. */
  current: z.boolean(),
});
export type ImageSummary = z.infer<typeof imageSummarySchema>;

/** Lines that the image commands print. */
export const imageEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('stage'),
    stage: z.string(),
    /** Since the start of the whole build. */
    elapsedMs: z.number(),
    /** How long this stage took the last time on this machine. */
    expectedMs: z.number().optional(),
  }),
  z.object({
    type: z.literal('check'),
    name: z.string(),
    kind: vmKindSchema,
    ok: z.boolean(),
    detail: z.string(),
  }),
  z.object({ type: z.literal('message'), text: z.string() }),
  z.object({ type: z.literal('list'), images: z.array(imageSummarySchema) }),
  z.object({ type: z.literal('image'), manifest: imageManifestSchema, gate: imageGateSchema.nullable() }),
  /** `reused`: nothing had to be built. */
  z.object({
    type: z.literal('done'),
    imageId: imageIdSchema,
    reused: z.boolean(),
    elapsedMs: z.number(),
    /** What its gate found so far; where left out, ask with `show`. */
    gate: z.enum(['pending', 'passed', 'failed']).optional(),
  }),
  z.object({ type: z.literal('removed'), imageId: imageIdSchema, freedBytes: z.number() }),
  /** A golden snapshot was made, or was there already. */
  z.object({
    type: z.literal('snapshot'),
    snapshotId: snapshotIdSchema,
    reused: z.boolean(),
    elapsedMs: z.number(),
  }),
  z.object({ type: z.literal('error'), problem: problemSchema }),
]);
export type ImageEvent = z.infer<typeof imageEventSchema>;
