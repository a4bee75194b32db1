import { z } from 'zod';
import { errorCodes, errorTable, type ErrorCode } from './error-table.ts';
import { layers, type Layer } from './layers.ts';

/** One field that was wrong. `path` is dotted, e.g. `network.subnet`. */
export const fieldIssueSchema = z.object({ path: z.string(), message: z.string() });
export type FieldIssue = z.infer<typeof fieldIssueSchema>;

/** RFC 9457 problem+json, as every level answers it. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.enum(errorCodes),
  layer: z.enum(layers),
  detail: z.string(),
  hint: z.string(),
  retryable: z.boolean(),
  requestId: z.string().optional(),
  vmId: z.string().optional(),
  issues: z.array(fieldIssueSchema).optional(),
});
export type Problem = z.infer<typeof problemSchema>;

/** What is stored with a VM as the cause of its failure. */
export const failureSchema = problemSchema
  .pick({ code: true, layer: true, title: true, detail: true, hint: true })
  .extend({ at: z.iso.datetime() });
export type Failure = z.infer<typeof failureSchema>;

export interface HearthErrorOptions {
  cause?: unknown;
  vmId?: string;
  issues?: FieldIssue[];
  /** Overrides the table's hint where something more exact is known. */
  hint?: string;
}

/** An error that a user may see. Everything thrown on purpose is one of these. */
export class HearthError extends Error {
  override readonly name = 'HearthError';
  readonly code: ErrorCode;
  readonly detail: string;
  readonly options: HearthErrorOptions;

  constructor(code: ErrorCode, detail: string, options: HearthErrorOptions = {}) {
    super(
      `${errorTable[code].title}: ${detail}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.detail = detail;
    this.options = options;
  }

  get layer(): Layer {
    return errorTable[this.code].layer;
  }

  get status(): number {
    return errorTable[this.code].status;
  }
}

export function toProblem(error: HearthError, requestId?: string): Problem {
  const entry = errorTable[error.code];
  const { vmId, issues, hint } = error.options;
  return {
    type: `urn:hearth:error:${error.code}`,
    title: entry.title,
    status: entry.status,
    code: error.code,
    layer: entry.layer,
    detail: error.detail,
    hint: hint ?? entry.hint,
    retryable: entry.retryable,
    ...(requestId === undefined ? {} : { requestId }),
    ...(vmId === undefined ? {} : { vmId }),
    ...(issues === undefined ? {} : { issues }),
  };
}

/** Rebuilds the error that a lower level answered with, so that its cause is kept on the way up. */
export function fromProblem(problem: Problem): HearthError {
  return new HearthError(problem.code, problem.detail, {
    hint: problem.hint,
    ...(problem.vmId === undefined ? {} : { vmId: problem.vmId }),
    ...(problem.issues === undefined ? {} : { issues: problem.issues }),
  });
}

export function toFailure(error: HearthError, at: Date): Failure {
  const { code, layer, title, detail, hint } = toProblem(error);
  return { code, layer, title, detail, hint, at: at.toISOString() };
}

/** Wraps what is not ours, and says so; a HearthError passes through. */
export function asHearthError(error: unknown, code: ErrorCode = 'internal'): HearthError {
  if (error instanceof HearthError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new HearthError(code, detail, { cause: error });
}

/** Turns zod's issues into the `issues` of a problem, unknown keys named one by one. */
export function fieldIssues(error: z.ZodError): FieldIssue[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String).join('.');
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: path === '' ? key : `${path}.${key}`,
        message: 'is not a known key',
      }));
    }
    return [{ path, message: issue.message }];
  });
}

/** Checks data that crosses a boundary. Throws HearthError(code) with every field named. */
export function parseWith<T extends z.ZodType>(
  schema: T,
  data: unknown,
  code: ErrorCode = 'bad_request',
  what = 'data',
): z.infer<T> {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const issues = fieldIssues(parsed.error);
  const detail = issues
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ');
  throw new HearthError(code, `${what}: ${detail}`, { issues, cause: parsed.error });
}
