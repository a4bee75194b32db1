import { z } from 'zod';
import { failureSchema } from './errors.ts';
import { runIdSchema, userIdSchema, vmIdSchema } from './ids.ts';
import { providerIdSchema } from './providers/provider-id.ts';

/**
 * queued: waits for its turn; paused: waits for the person to sign in again; starting: its VM is brought up and given the
 * credential; running: the tool runs; succeeded, failed, cancelled, timed_out: terminal, and never changed.
 */
export const runStates = [
  'queued',
  'paused',
  'starting',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'timed_out',
] as const;
export const runStateSchema = z.enum(runStates);
export type RunState = (typeof runStates)[number];
export const terminalRunStates: readonly RunState[] = ['succeeded', 'failed', 'cancelled', 'timed_out'];

export const runLimits = {
  promptBytes: 1024 * 1024,
  files: 64,
  /** Of all files of a run together, decoded. */
  fileBytes: 8 * 1024 * 1024,
  maxTimeoutMs: 24 * 3_600_000,
  /** Output of a run that is kept, as the tool printed it; what is beyond is counted, not kept. */
  keptBytes: 64 * 1024 * 1024,
  /** A changed file is compared up to this size. */
  comparedBytes: 256 * 1024,
} as const;

/** Folder of a run where none is named, relative to the home: what the tool changes in it is shown. */
export const DEFAULT_RUN_FOLDER = '/home/hearth/work';
export const HOME = '/home/hearth';

/** Body of POST /api/runs and of POST /api/prompts/execute. */
export const createRunSchema = z.strictObject({
  provider: providerIdSchema,
  prompt: z.string().min(1),
  /** Continues the conversation of an earlier run of the same provider: that run's `sessionId`. It takes place in the same VM and folder. */
  sessionId: z.string().min(1).max(200).optional(),
  /** Absolute, inside the home; made where it isn't there. Default: /home/hearth/work, or that of the continued run. */
  cwd: z.string().startsWith('/').max(4096).optional(),
  /** Written before the tool starts; paths are relative to `cwd`. */
  files: z
    .array(z.strictObject({ path: z.string().min(1).max(1024), contentBase64: z.base64() }))
    .max(runLimits.files)
    .optional(),
  timeoutMs: z.number().int().min(1000).max(runLimits.maxTimeoutMs).optional(),
  model: z.string().min(1).max(200).optional(),
  /** Another model server than the provider's own, as the VM reaches it. */
  baseUrl: z.url().max(2048).optional(),
  /** A VM of kind `cli`; the person's own one where left out, which is made at its first run. */
  vmId: vmIdSchema.optional(),
});
export type CreateRun = z.infer<typeof createRunSchema>;

const changedFileSchema = z.object({
  /** Relative to the run's folder. */
  path: z.string(),
  change: z.enum(['added', 'changed', 'removed']),
  /** Unified diff; null where it is binary or too large. */
  diff: z.string().nullable(),
});

/** What the API shows of a run. */
export const runSchema = z.object({
  id: runIdSchema,
  userId: userIdSchema,
  provider: providerIdSchema,
  state: runStateSchema,
  version: z.number().int().nonnegative(),
  /** Its first 400 characters. */
  prompt: z.string(),
  /** Of the conversation, once the tool said it. */
  sessionId: z.string().nullable(),
  model: z.string().nullable(),
  cwd: z.string(),
  vmId: vmIdSchema.nullable(),
  /** How many runs are before it: 0 is next; null unless it is queued. */
  position: z.number().int().nonnegative().nullable(),
  /** Why it waits, in words; null unless queued or paused. */
  waitingFor: z.string().nullable(),
  exitCode: z.number().int().nullable(),
  failure: failureSchema.nullable(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  usage: z.object({ inputTokens: z.number(), outputTokens: z.number() }).nullable(),
  /** Events so far: the next one's `seq`. */
  events: z.number().int().nonnegative(),
  /** Files of its folder that it changed, without their diffs; null before its end. */
  changes: z.array(changedFileSchema.omit({ diff: true })).nullable(),
});
export type Run = z.infer<typeof runSchema>;
export const runListSchema = z.object({ runs: z.array(runSchema) });
/** GET /api/runs/:id/changes */
export const runChangesSchema = z.object({
  changes: z.array(changedFileSchema),
  /** The folder held more than could be compared. */
  truncated: z.boolean(),
});
export type RunChanges = z.infer<typeof runChangesSchema>;

const base = {
  /** Counts from 0 without a gap; `Last-Event-ID` and `?after=` take it. */
  seq: z.number().int().nonnegative(),
  at: z.iso.datetime(),
  /** The tool's own event that it came from, parsed; absent where it has none. Once for each of its events. */
  raw: z.unknown().optional(),
};
/**
 * Events of GET /api/runs/:id/events, and of the answer of POST /api/runs with `accept: text/event-stream`; the same over all
 * providers. `done` or `error` comes last, exactly one of them: `error` where the run ended without an exit code of its tool.
 */
export const runEventSchema = z.discriminatedUnion('type', [
  z.object({ ...base, type: z.literal('started'), vmId: vmIdSchema }),
  z.object({ ...base, type: z.literal('text'), text: z.string() }),
  z.object({
    ...base,
    type: z.literal('tool'),
    phase: z.enum(['started', 'finished']),
    /** The same for both phases. */
    id: z.string(),
    name: z.string().optional(),
    input: z.unknown().optional(),
    output: z.string().optional(),
    isError: z.boolean().optional(),
  }),
  z.object({
    ...base,
    type: z.literal('metadata'),
    sessionId: z.string().optional(),
    model: z.string().optional(),
    /** An event of the tool that means none of these: only `raw` speaks. */
    other: z.boolean().optional(),
  }),
  z.object({ ...base, type: z.literal('usage'), inputTokens: z.number(), outputTokens: z.number() }),
  z.object({ ...base, type: z.literal('needs_login'), message: z.string() }),
  /** The tool reported a fault, and goes on or ends; `done` follows. */
  z.object({ ...base, type: z.literal('tool_error'), message: z.string() }),
  z.object({ ...base, type: z.literal('done'), exitCode: z.number().int(), state: runStateSchema }),
  z.object({ ...base, type: z.literal('error'), failure: failureSchema, state: runStateSchema }),
]);
export type RunEvent = z.infer<typeof runEventSchema>;

/** Events of GET /api/runs/events: the caller's runs that aren't over and the last 20, then `listed`, then every change. */
export const runListEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('run'), run: runSchema }),
  z.object({ type: z.literal('listed') }),
]);

/* Of the agent: PUT /runs/:id (order), GET /runs/:id/output?after=N, POST /runs/:id/cancel, DELETE /runs/:id. */

/** PUT /runs/:id: begins it, 201; the same id again is no second run, 200. Its output is kept in the VM until DELETE. */
export const guestRunOrderSchema = z.strictObject({
  command: z
    .array(z.string().regex(/^[^\0]*$/))
    .min(1)
    .max(1024),
  /** Without a key: those of `provider`'s credential are added by the agent. */
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().regex(/^[^\0]*$/)),
  provider: providerIdSchema,
  stdin: z.string(),
  cwd: z.string().startsWith('/'),
  files: z.array(z.strictObject({ path: z.string().min(1), contentBase64: z.base64() })),
  timeoutMs: z.number().int().positive(),
});
export type GuestRunOrder = z.infer<typeof guestRunOrderSchema>;

/** Lines of GET /runs/:id/output (application/x-ndjson): from `after`+1 on, then as they come; `exit`, then `changes`, are last. */
export const guestRunLineSchema = z.discriminatedUnion('type', [
  /** A line that the tool printed, without its end; longer than 1 MiB it is cut. */
  z.object({
    seq: z.number().int(),
    type: z.literal('line'),
    stream: z.enum(['stdout', 'stderr']),
    text: z.string(),
  }),
  /** Output beyond runLimits.keptBytes was dropped. */
  z.object({ seq: z.number().int(), type: z.literal('dropped'), bytes: z.number() }),
  z.object({
    seq: z.number().int(),
    type: z.literal('exit'),
    exitCode: z.number().int(),
    /** What ended it: the tool itself, its time limit, or POST cancel. */
    by: z.enum(['itself', 'timeout', 'cancel']),
    durationMs: z.number(),
  }),
  z.object({
    seq: z.number().int(),
    type: z.literal('changes'),
    truncated: z.boolean(),
    files: z.array(
      z.object({
        path: z.string(),
        change: z.enum(['added', 'changed', 'removed']),
        /** Texts before and after; null where absent, binary or too large. */
        before: z.string().nullable(),
        after: z.string().nullable(),
      }),
    ),
  }),
]);
export type GuestRunLine = z.infer<typeof guestRunLineSchema>;
