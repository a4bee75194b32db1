import { z } from 'zod';
import { problemSchema } from './errors.ts';
import { execIdSchema } from './ids.ts';

const envNameSchema = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected a name of an environment variable');
const noNul = (what: string) => z.string().regex(/^[^\0]*$/, `${what} must not hold a NUL character`);

/** POST …/exec: a command to run in the VM. Its environment may hold secrets: it is never logged. */
export const execRequestSchema = z.strictObject({
  /** Program and arguments; no shell is involved. */
  command: z.array(noNul('an argument')).min(1).max(1024),
  /** Added to the user's login environment. */
  env: z.record(envNameSchema, noNul('a value')).optional(),
  /** Absolute path; the user's home where left out. */
  cwd: z.string().startsWith('/').optional(),
  /** Who runs it: the VM's ordinary user unless told otherwise. */
  user: z.enum(['hearth', 'root']).default('hearth'),
  /** true: bytes will come by PUT …/exec/:execId/stdin; false: standard input is empty. */
  stdin: z.boolean().default(false),
  /** The process group is ended after this many milliseconds. */
  timeoutMs: z.number().int().positive().max(86_400_000).optional(),
});
export type ExecRequest = z.infer<typeof execRequestSchema>;
export type ExecRequestInput = z.input<typeof execRequestSchema>;

/**
 * Lines of the answer (application/x-ndjson). `started` comes first, and exactly one of `exit` and `error` last.
 * When the reader of the answer goes away, the command's whole process group ends.
 */
export const execEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started'), execId: execIdSchema, pid: z.number().int() }),
  z.object({ type: z.literal('stdout'), dataBase64: z.base64() }),
  z.object({ type: z.literal('stderr'), dataBase64: z.base64() }),
  /** Exit code as a shell gives it: 128 + the signal's number where a signal ended it. */
  z.object({
    type: z.literal('exit'),
    exitCode: z.number().int(),
    signal: z.string().nullable(),
    /** true where `timeoutMs` ended it. */
    timedOut: z.boolean(),
    durationMs: z.number(),
  }),
  z.object({ type: z.literal('error'), problem: problemSchema }),
]);
export type ExecEvent = z.infer<typeof execEventSchema>;

export const execSignals = [
  'SIGINT',
  'SIGTERM',
  'SIGKILL',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGQUIT',
] as const;
/** POST …/exec/:execId/signal */
export const execSignalSchema = z.strictObject({ signal: z.enum(execSignals) });

/** Query of GET and PUT …/files: the body is the file's bytes. */
export const filePathQuerySchema = z.strictObject({
  path: z
    .string()
    .startsWith('/', 'expected an absolute path')
    .regex(/^[^\0]*$/, 'must not hold a NUL character')
    .max(4096),
});
/** Query of PUT …/files. The file appears whole or not at all (written beside, then renamed). */
export const fileWriteQuerySchema = filePathQuerySchema.extend({
  /** Permission bits, octal. */
  mode: z
    .string()
    .regex(/^[0-7]{3,4}$/, 'expected octal digits such as 644')
    .default('644'),
  user: z.enum(['hearth', 'root']).default('hearth'),
  /** Where the file is there already: replace it, or write beside it as `name (1).ext`. */
  conflict: z.enum(['replace', 'rename']).default('replace'),
});
/** Answer of PUT …/files; `path` is the one under which it was written. */
export const fileWrittenSchema = z.object({ path: z.string(), bytes: z.number().int().nonnegative() });
export type FileWritten = z.infer<typeof fileWrittenSchema>;

/** Most entries that a folder's listing holds; the newest where there are more. */
export const MAX_FOLDER_ENTRIES = 1000;
/** GET …/folders?path=: what is in a folder, newest first; an absent folder is file_not_found. */
export const folderSchema = z.object({
  path: z.string(),
  entries: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(['file', 'folder', 'other']),
      bytes: z.number().nonnegative(),
      modifiedAtMs: z.number(),
    }),
  ),
  /** true where there are more than MAX_FOLDER_ENTRIES. */
  truncated: z.boolean(),
});
export type Folder = z.infer<typeof folderSchema>;
