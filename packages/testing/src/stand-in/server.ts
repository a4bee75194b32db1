import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { anthropic } from './anthropic.ts';
import type { Answer, Behaviour, ModelApi, ModelRequest } from './provider.ts';

/** One line of the record: what was asked, never the key itself. */
export interface RequestRecord {
  time: string;
  method: string;
  path: string;
  provider: string | null;
  /** First four characters and the length. */
  key: string | null;
  model: string | null;
  stream: boolean;
  bytes: number;
  status: number;
}

export interface StandInOptions extends Partial<Behaviour> {
  address?: string;
  /** 0: any free one. */
  port?: number;
  onRequest?: (record: RequestRecord) => void;
}

export interface StandIn {
  url: string;
  port: number;
  requests: readonly RequestRecord[];
  stop(): Promise<void>;
}

/** One file a provider; codex and gemini come beside this one. */
const apis: readonly ModelApi[] = [anthropic];
const MAX_BODY_BYTES = 32 * 1024 * 1024;
/** The record in memory keeps the latest. */
const MAX_RECORDS = 10_000;

/** Stands in for the providers' servers: answers every prompt with the same words. */
export async function startStandIn({
  address = '127.0.0.1',
  port = 0,
  onRequest,
  reply = 'Hello from the stand-in.',
  delayMs = 0,
  ...rest
}: StandInOptions = {}): Promise<StandIn> {
  const behaviour: Behaviour = { reply, delayMs, ...rest };
  const requests: RequestRecord[] = [];
  let sequence = 0;

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const closed = new AbortController();
    response.once('close', () => closed.abort());
    const { text, tooLarge } = await readText(request);
    const path = new URL(request.url ?? '/', 'http://stand-in').pathname;
    const body = parseBody(text);
    const asked: ModelRequest = {
      method: request.method ?? 'GET',
      path,
      headers: request.headers,
      body: body ?? {},
      sequence: ++sequence,
    };
    const { api, answer } = tooLarge
      ? { api: undefined, answer: plainError(413, 'the body is too large') }
      : body === null
        ? { api: undefined, answer: plainError(400, 'the body is not a JSON object') }
        : choose(asked, behaviour);
    const key = api?.key(request.headers);
    const record: RequestRecord = {
      time: new Date().toISOString(),
      method: asked.method,
      path,
      provider: api?.name ?? null,
      key: key === undefined ? null : maskKey(key),
      model: typeof asked.body['model'] === 'string' ? asked.body['model'] : null,
      stream: asked.body['stream'] === true,
      bytes: text.length,
      status: answer.type === 'json' ? answer.status : 200,
    };
    requests.push(record);
    if (requests.length > MAX_RECORDS) requests.shift();
    onRequest?.(record);
    await send(response, answer, delayMs, closed.signal);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // The caller went away in the middle of a slow answer, or something is broken: the log tells.
      if (!response.destroyed) response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  // Some tools try a WebSocket first and take 426 for "use HTTP".
  server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${address}:${bound}`,
    port: bound,
    requests,
    stop: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

export function maskKey(key: string): string {
  return `${key.slice(0, 4)}… (${key.length})`;
}

function choose(asked: ModelRequest, behaviour: Behaviour): { api: ModelApi | undefined; answer: Answer } {
  for (const api of apis) {
    const answer = api.answer(asked, behaviour);
    if (answer !== null) return { api, answer };
  }
  return { api: undefined, answer: plainError(404, `${asked.method} ${asked.path} is not stood in for`) };
}

function plainError(status: number, message: string): Answer {
  return { type: 'json', status, body: { type: 'error', error: { type: 'invalid_request_error', message } } };
}

async function send(
  response: ServerResponse,
  answer: Answer,
  delayMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (answer.type === 'json') {
    if (answer.slow === true && delayMs > 0) await wait(delayMs, undefined, { signal });
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  for (const { event, data, slow } of answer.events) {
    if (slow === true && delayMs > 0) await wait(delayMs, undefined, { signal });
    response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`);
  }
  response.end();
}

async function readText(request: IncomingMessage): Promise<{ text: string; tooLarge: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString('utf8'), tooLarge: bytes > MAX_BODY_BYTES };
}

/** null where a body is there and is no JSON object. */
function parseBody(text: string): Record<string, unknown> | null {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
