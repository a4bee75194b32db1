import {
  asHearthError,
  HearthError,
  toProblem,
  type ErrorCode,
  type FieldIssue,
  type Problem,
} from '@hearth/contract';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';

export const PROBLEM_TYPE = 'application/problem+json';

/** The one place where an error becomes an answer. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const cause = classify(error);
  const problem = toProblem(cause, request.id);
  if (cause.status >= 500)
    request.log.error({ err: error, code: cause.code, vmId: cause.options.vmId }, cause.message);
  else request.log.info({ code: cause.code, detail: cause.detail }, 'refused');
  if (cause.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer realm="hearth"');
  // Again, for errors before the hooks.
  reply.header('x-request-id', request.id);
  // A stream's or file's headers must not dress up the problem.
  reply.removeHeader('content-length');
  reply
    .code(cause.status)
    .type(PROBLEM_TYPE)
    .send(problem satisfies Problem);
}

const byStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'route_not_found',
  405: 'method_not_allowed',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  429: 'rate_limited',
};

/** Fastify's own errors, in the words of the table. */
function classify(error: unknown): HearthError {
  if (error instanceof HearthError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return validationError(error);
  const { statusCode, message } = error as Partial<FastifyError>;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new HearthError(byStatus[statusCode] ?? 'bad_request', message ?? 'the request is not valid', {
      cause: error,
    });
  // The text of an error that nobody foresaw may hold anything: it goes to the log, not to the caller.
  const { cause } = asHearthError(error).options;
  return new HearthError('internal', 'an error that nobody foresaw; the log has it under the request id', {
    cause,
  });
}

interface ValidationError {
  validation: { instancePath: string; message?: string | undefined; params: object }[];
  /** Which part of the request: body, querystring, params or headers. */
  validationContext?: string | undefined;
}

function validationError(error: ValidationError): HearthError {
  const where = error.validationContext ?? 'request';
  const issues = error.validation.flatMap(({ instancePath, message = '', params }): FieldIssue[] => {
    const path = instancePath.split('/').filter(Boolean).join('.');
    if ('keys' in params && Array.isArray(params.keys))
      return params.keys.map((key) => ({
        path: [path, String(key)].filter(Boolean).join('.'),
        message: 'is not a known key',
      }));
    return [{ path, message }];
  });
  const detail = issues
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ');
  return new HearthError('bad_request', `${where}: ${detail}`, { issues, cause: error });
}
