import { z } from 'zod';

/** Where a fault lies; every error names one, so that a reader knows which part of the house to look at. */
export const layers = [
  'request',
  'controller',
  'database',
  'host',
  'image',
  'disk',
  'network',
  'vmm',
  'console',
  'control-channel',
  'guest',
  'agent',
  'provider',
] as const;
export type Layer = (typeof layers)[number];

interface ErrorEntry {
  /** HTTP status. */
  status: number;
  title: string;
  /** May the same request succeed later, unchanged? */
  retryable: boolean;
  layer: Layer;
  /** What the reader can do about it. */
  hint: string;
}

/** The one table of errors. An answer's `code` is a key of it. */
export const errorTable = {
  bad_request: {
    status: 400,
    title: 'The request is not valid',
    retryable: false,
    layer: 'request',
    hint: 'Correct the fields named in `issues`; the API is described at /api/docs.',
  },
  unauthenticated: {
    status: 401,
    title: 'Who you are is not known',
    retryable: false,
    layer: 'request',
    hint: 'Send `Authorization: Bearer <token>`; make a token with `hearth token create`.',
  },
  forbidden: {
    status: 403,
    title: 'You may not do this',
    retryable: false,
    layer: 'request',
    hint: 'Ask an administrator, or use a token with the role that this call needs.',
  },
  not_found: {
    status: 404,
    title: 'There is no such thing',
    retryable: false,
    layer: 'request',
    hint: 'Check the id; `hearth vm ls` lists what you can see.',
  },
  route_not_found: {
    status: 404,
    title: 'There is no such address in this API',
    retryable: false,
    layer: 'request',
    hint: 'All calls are listed at /api/docs.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This address does not take that method',
    retryable: false,
    layer: 'request',
    hint: 'All calls are listed at /api/docs.',
  },
  conflict: {
    status: 409,
    title: 'The state of the thing does not allow this',
    retryable: false,
    layer: 'controller',
    hint: 'Look at its state (`hearth vm show ID`) and try what fits it.',
  },
  idempotency_mismatch: {
    status: 422,
    title: 'This Idempotency-Key was used for another request',
    retryable: false,
    layer: 'request',
    hint: 'Use a new key for a new request.',
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    retryable: false,
    layer: 'request',
    hint: 'Send less at once; files go through `hearth vm cp`.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'This media type is not taken here',
    retryable: false,
    layer: 'request',
    hint: 'Send application/json, or application/octet-stream where a file is meant.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    retryable: true,
    layer: 'request',
    hint: 'Wait as long as the Retry-After header says.',
  },
  quota_exceeded: {
    status: 429,
    title: 'Your quota of VMs is used up',
    retryable: true,
    layer: 'controller',
    hint: 'Delete a VM that you no longer need (`hearth vm rm ID`).',
  },
  capacity_exceeded: {
    status: 503,
    title: 'The host has no room for this VM',
    retryable: true,
    layer: 'host',
    hint: 'Ask for less memory, delete VMs, or wait until others end.',
  },
  internal: {
    status: 500,
    title: 'Hearth failed at this',
    retryable: false,
    layer: 'controller',
    hint: 'Look for the request id in the logs of the controller and the host daemon.',
  },
  database_failed: {
    status: 503,
    title: 'The database does not answer',
    retryable: true,
    layer: 'database',
    hint: 'Check the disk space and the permissions of the state folder.',
  },
  host_unreachable: {
    status: 503,
    title: 'The host daemon does not answer',
    retryable: true,
    layer: 'host',
    hint: 'Run `hearth status`; start it with `hearth up`.',
  },
  shutting_down: {
    status: 503,
    title: 'Hearth is shutting down',
    retryable: true,
    layer: 'controller',
    hint: 'Try again when it is up.',
  },
  deadline_exceeded: {
    status: 504,
    title: 'It took longer than allowed',
    retryable: true,
    layer: 'host',
    hint: 'Look at the timeline (`hearth vm timeline ID`) for the phase that took so long.',
  },
  aborted: {
    status: 499,
    title: 'The caller went away',
    retryable: true,
    layer: 'request',
    hint: 'Nothing: the work was stopped and cleaned up.',
  },
  vm_not_ready: {
    status: 409,
    title: 'The VM is not ready',
    retryable: true,
    layer: 'controller',
    hint: 'Wait until its state is `ready` (`hearth vm show ID`).',
  },
  vm_deleted: {
    status: 409,
    title: 'The VM was deleted',
    retryable: false,
    layer: 'controller',
    hint: 'Create another with `hearth vm create`.',
  },
  vm_lost: {
    status: 500,
    title: 'The host lost the VM',
    retryable: false,
    layer: 'host',
    hint: 'Create another with `hearth vm create`; the log of the host daemon tells what happened to it.',
  },
  image_missing: {
    status: 503,
    title: 'There is no gated image',
    retryable: false,
    layer: 'image',
    hint: 'Build one with `hearth image build`.',
  },
  image_build_failed: {
    status: 500,
    title: 'The image was not built',
    retryable: false,
    layer: 'image',
    hint: 'The last lines of the failed step are in `detail`; the full log is named there.',
  },
  image_gate_failed: {
    status: 500,
    title: 'The image did not pass its gate',
    retryable: false,
    layer: 'image',
    hint: '`hearth image show ID` lists the checks that failed; the console of the gate is kept.',
  },
  image_in_use: {
    status: 409,
    title: 'The image is in use',
    retryable: false,
    layer: 'image',
    hint: 'Delete the VMs that run from it first.',
  },
  disk_full: {
    status: 507,
    title: 'The disk is full',
    retryable: true,
    layer: 'disk',
    hint: 'Free space below the folder named in `detail`, or remove images with `hearth image rm`.',
  },
  disk_failed: {
    status: 500,
    title: 'A disk of the VM could not be made',
    retryable: false,
    layer: 'disk',
    hint: 'Check the state folder named in `detail`.',
  },
  network_failed: {
    status: 500,
    title: 'The VM network could not be set up',
    retryable: false,
    layer: 'network',
    hint: 'The command and its answer are in `detail`.',
  },
  network_conflict: {
    status: 500,
    title: 'The subnet collides with the host',
    retryable: false,
    layer: 'network',
    hint: 'Choose another `network.subnet` in the configuration.',
  },
  addresses_exhausted: {
    status: 503,
    title: 'No address is free in the subnet',
    retryable: true,
    layer: 'network',
    hint: 'Delete VMs or configure a larger `network.subnet`.',
  },
  address_mismatch: {
    status: 500,
    title: 'The guest has another address than the one booked for it',
    retryable: false,
    layer: 'network',
    hint: 'Something but Hearth answers DHCP, or the guest configures itself: see the console.',
  },
  vmm_failed: {
    status: 500,
    title: 'The virtual machine monitor failed',
    retryable: false,
    layer: 'vmm',
    hint: 'Its last words are in `detail`; the console is kept (`hearth vm console ID`).',
  },
  kernel_panic: {
    status: 500,
    title: 'The guest kernel panicked',
    retryable: false,
    layer: 'guest',
    hint: 'Read the console (`hearth vm console ID`); too little memory is the usual cause.',
  },
  control_channel_failed: {
    status: 500,
    title: 'The control channel to the guest failed',
    retryable: false,
    layer: 'control-channel',
    hint: 'Read the console (`hearth vm console ID`).',
  },
  agent_unreachable: {
    status: 502,
    title: 'The agent in the VM does not answer over the network',
    retryable: true,
    layer: 'agent',
    hint: 'Read the console and the timeline of the VM.',
  },
  agent_not_configured: {
    status: 503,
    title: 'The agent in the VM has not got its identity yet',
    retryable: true,
    layer: 'agent',
    hint: 'Wait until the VM is `ready`; the host gives the identity over the control channel.',
  },
  agent_version_mismatch: {
    status: 500,
    title: 'The agent in the image is not the one the manifest names',
    retryable: false,
    layer: 'agent',
    hint: 'Rebuild the image with `hearth image build`.',
  },
  guest_not_ready: {
    status: 500,
    title: 'The guest never became ready',
    retryable: false,
    layer: 'guest',
    hint: 'The services that failed are in `detail`; read the console.',
  },
  exec_failed: {
    status: 422,
    title: 'The command could not be started in the VM',
    retryable: false,
    layer: 'guest',
    hint: 'Check that the program exists in the VM and the folder is right.',
  },
  file_not_found: {
    status: 404,
    title: 'There is no such file in the VM',
    retryable: false,
    layer: 'guest',
    hint: 'Check the path; paths in a VM are absolute.',
  },
  file_failed: {
    status: 422,
    title: 'The file could not be read or written in the VM',
    retryable: false,
    layer: 'guest',
    hint: 'Check the path, its permissions and the space left in the VM.',
  },
  config_invalid: {
    status: 500,
    title: 'The configuration is not valid',
    retryable: false,
    layer: 'controller',
    hint: 'Correct the keys named in `detail`; all keys are in docs/configuration.md.',
  },
  port_in_use: {
    status: 500,
    title: 'The port is in use',
    retryable: false,
    layer: 'controller',
    hint: 'Stop the program that holds it or configure another `controller.port`.',
  },
  already_running: {
    status: 409,
    title: 'A Hearth of this name is running',
    retryable: false,
    layer: 'controller',
    hint: 'Use it, stop it with `hearth down`, or start another with another `name`.',
  },
  requirement_missing: {
    status: 500,
    title: 'Something that Hearth needs is missing on this machine',
    retryable: false,
    layer: 'host',
    hint: 'Install what `detail` names, or let `hearth up --yes` do it.',
  },
  controller_unreachable: {
    status: 503,
    title: 'Hearth does not answer',
    retryable: true,
    layer: 'controller',
    hint: 'Start it with `hearth up`; see what runs with `hearth status`.',
  },
  api_key_missing: {
    status: 401,
    title: 'There is no API key for this tool',
    retryable: false,
    layer: 'provider',
    hint: 'Give one with --api-key-file FILE or in the environment variable that `detail` names.',
  },
  needs_login: {
    status: 401,
    title: 'The tool is not signed in',
    retryable: false,
    layer: 'provider',
    hint: 'Check the API key and the base URL; a key is never kept by Hearth, so give it with each run.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;
export const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

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
