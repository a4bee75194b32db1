import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { CONTROL_PREFIX } from './control.ts';
import { isObject, type ModelRequest } from './provider.ts';

const MAX_BODY_BYTES = 32 * 1024 * 1024;

export type ReadRequest =
  | { asked: ModelRequest; bytes: number; refused?: undefined }
  | { asked: ModelRequest; bytes: number; refused: { status: number; message: string } };

/** Reads a request whole; `refused` where the body is too large or neither a JSON object nor a form. */
export async function readRequest(request: IncomingMessage, sequence: number): Promise<ReadRequest> {
  const { text, bytes } = await readText(request);
  const url = new URL(request.url ?? '/', 'http://stand-in');
  const isForm =
    (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded') &&
    // Always JSON, so that `curl -d '{…}'` will do.
    !url.pathname.startsWith(CONTROL_PREFIX);
  const body = isForm ? Object.fromEntries(new URLSearchParams(text)) : parseJson(text);
  const asked: ModelRequest = {
    method: request.method ?? 'GET',
    host: (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase(),
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: body ?? {},
    sequence,
  };
  if (bytes > MAX_BODY_BYTES)
    return { asked, bytes, refused: { status: 413, message: 'the body is too large' } };
  if (body === null)
    return { asked, bytes, refused: { status: 400, message: 'the body is not a JSON object' } };
  return { asked, bytes };
}

async function readText(request: IncomingMessage): Promise<{ text: string; bytes: number }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  const sent = Buffer.concat(chunks);
  // Codex compresses what it asks with a ChatGPT sign-in.
  const isZstd = request.headers['content-encoding'] === 'zstd';
  const whole = isZstd ? await promisify(zstdDecompress)(sent, { maxOutputLength: MAX_BODY_BYTES }) : sent;
  return { text: whole.toString('utf8'), bytes };
}

/** null where a body is there and is no JSON object. */
function parseJson(text: string): Record<string, unknown> | null {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
