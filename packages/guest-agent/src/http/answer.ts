import { HearthError, requestIdSchema, toProblem } from '@hearth/contract';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Time in which a caller whose request was refused may still send the rest of its body, so that it gets to read why. */
const REFUSED_BODY_MS = 5000;

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  type = 'application/json',
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

export function sendProblem(request: IncomingMessage, response: ServerResponse, error: HearthError): void {
  if (response.headersSent) {
    // Half an answer: cutting the connection is the one honest way to say that it isn't whole.
    response.destroy();
    return;
  }
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  const hasBody = encoding !== undefined || Number(length ?? 0) > 0;
  if (hasBody && !request.complete) {
    response.setHeader('connection', 'close');
    request.resume();
    setTimeout(() => request.destroy(), REFUSED_BODY_MS).unref();
  }
  if (error.code === 'unauthenticated') response.setHeader('www-authenticate', 'Bearer');
  sendJson(response, error.status, toProblem(error, requestId(request)), 'application/problem+json');
}

/** The caller's correlation id, where it is well formed. */
export function requestId(request: IncomingMessage): string | undefined {
  const parsed = requestIdSchema.safeParse(request.headers['x-request-id']);
  return parsed.success ? parsed.data : undefined;
}
