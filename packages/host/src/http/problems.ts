import { asHearthError, HearthError, toProblem } from '@hearth/contract';
import type { FastifyError, FastifyInstance } from 'fastify';

/** The one place where errors become answers. */
export function answerProblems(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError | Error>((error, request, reply) => {
    const problem = toProblem(classify(error), request.id);
    if (problem.status >= 500) request.log.error({ err: error, code: problem.code }, problem.detail);
    return reply.code(problem.status).type('application/problem+json').send(problem);
  });
  app.setNotFoundHandler((request) => {
    throw new HearthError('route_not_found', `${request.method} ${request.url}`);
  });
}

function classify(error: FastifyError | Error): HearthError {
  if (error instanceof HearthError) return error;
  if ('statusCode' in error && (error.statusCode ?? 500) < 500) {
    return new HearthError('bad_request', error.message, { cause: error });
  }
  return asHearthError(error);
}
