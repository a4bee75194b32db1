import { HearthError, parseWith } from '@hearth/contract';
import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';

/** Linux takes at most 2 MiB of arguments and environment; base64 and quoting never double it. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;
const JSON_TIMEOUT_MS = 30_000;

/** Reads and checks a JSON body. Throws HearthError: body_too_large, unsupported_media_type, bad_request. */
export async function readJson<T extends z.ZodType>(
  request: IncomingMessage,
  schema: T,
  maxBytes = MAX_JSON_BYTES,
): Promise<z.infer<T>> {
  requireType(request, 'application/json');
  const text = await readText(request, maxBytes);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new HearthError('bad_request', 'the body is not JSON', { cause });
  }
  return parseWith(schema, data, 'bad_request', 'body');
}

/** Checks a query string against a schema; a key given twice is a fault. */
export function parseQuery<T extends z.ZodType>(query: URLSearchParams, schema: T): z.infer<T> {
  for (const key of new Set(query.keys())) {
    if (query.getAll(key).length > 1)
      throw new HearthError('bad_request', `query: ${key} is given more than once`, {
        issues: [{ path: key, message: 'is given more than once' }],
      });
  }
  return parseWith(schema, Object.fromEntries(query), 'bad_request', 'query');
}

/** A body may come without a type; one of another type is refused. */
export function requireType(request: IncomingMessage, type: string): void {
  const given = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (given !== undefined && given !== type)
    throw new HearthError('unsupported_media_type', `${given} was sent where ${type} is expected`);
}

async function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
  const tooLarge = (): HearthError =>
    new HearthError('body_too_large', `the body is larger than ${maxBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(
    () => reject(new HearthError('bad_request', `the body did not come within ${JSON_TIMEOUT_MS} ms`)),
    JSON_TIMEOUT_MS,
  );
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    // What comes after is read and dropped, so that the caller gets its answer.
    if (bytes > maxBytes) reject(tooLarge());
    else chunks.push(chunk);
  });
  request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  request.once('error', (cause) => reject(new HearthError('aborted', 'the body was cut off', { cause })));
  request.once('close', () => reject(new HearthError('aborted', 'the body was cut off')));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
