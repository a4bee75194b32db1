import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { anthropic } from './anthropic.ts';
import { serverCertificate } from './certificates.ts';
import { claudeOAuth, claudeHosts } from './claude-oauth.ts';
import { codexHosts, codexOAuth } from './codex-oauth.ts';
import { control, type Controlled } from './control.ts';
import { gemini } from './gemini.ts';
import { geminiHosts, geminiOAuth } from './gemini-oauth.ts';
import { openai } from './openai.ts';
import type { Answer, Behaviour, ModelRequest, ProviderStandIn } from './provider.ts';
import { readRequest } from './request.ts';
import { TokenLedger } from './token-ledger.ts';

/** One line of the record: what was asked, never the key itself. */
export interface RequestRecord {
  time: string;
  method: string;
  host: string;
  path: string;
  provider: string | null;
  /** First four characters and the length. */
  key: string | null;
  /** At a token endpoint. */
  grantType: string | null;
  model: string | null;
  stream: boolean;
  bytes: number;
  status: number;
}

export interface StandInOptions extends Partial<Behaviour> {
  address?: string;
  /** 0: any free one. */
  port?: number;
  /** A second listener, where the providers' own names are answered with TLS. */
  tls?: {
    /** Holds the authority, `ca.pem`; made where it is missing. */
    folder: string;
    address?: string;
    /** 0: any free one; tools ask at 443. */
    port?: number;
  };
  /** In the text of every token that is issued. */
  canary?: string;
  onRequest?: (record: RequestRecord) => void;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export interface StandIn {
  url: string;
  port: number;
  tls: { port: number; ca: string; hosts: readonly string[] } | null;
  requests: readonly RequestRecord[];
  stop(): Promise<void>;
}

/** One entry a provider. */
const standIns: readonly ProviderStandIn[] = [
  { name: 'anthropic', hosts: claudeHosts, model: anthropic, oauth: claudeOAuth },
  { name: 'openai', hosts: codexHosts, model: openai, oauth: codexOAuth },
  { name: 'google', hosts: geminiHosts, model: gemini, oauth: geminiOAuth },
];
/** The names that the stand-in answers with TLS. */
export const standInHosts: readonly string[] = standIns.flatMap(({ hosts }) => hosts);
/** The record in memory keeps the latest. */
const MAX_RECORDS = 10_000;

interface Party extends ProviderStandIn, Controlled {}

/** Stands in for the providers' servers: answers every prompt with the same words, and signs everybody in. */
export async function startStandIn({
  address = '127.0.0.1',
  port = 0,
  tls,
  canary = 'canary',
  onRequest,
  now = Date.now,
  ...behaviour
}: StandInOptions = {}): Promise<StandIn> {
  const parties: readonly Party[] = standIns.map((standIn) => ({
    ...standIn,
    behaviour: { reply: 'Hello from the stand-in.', delayMs: 0, accessTokenSeconds: 28_800, ...behaviour },
    ledger: new TokenLedger({ name: standIn.name, canary, now }),
  }));
  const requests: RequestRecord[] = [];
  let sequence = 0;

  const handle = async (
    request: IncomingMessage,
    response: ServerResponse,
    controllable: boolean,
  ): Promise<void> => {
    const closed = new AbortController();
    response.once('close', () => closed.abort());
    const { asked, bytes, refused } = await readRequest(request, ++sequence);
    const controlled = controllable ? control(asked, parties, requests) : null;
    if (controlled !== null) return send(response, controlled, 0, closed.signal);
    const { party, answer } =
      refused === undefined
        ? choose(asked, parties)
        : { party: undefined, answer: plainError(refused.status, refused.message) };
    const record = toRecord(asked, bytes, party, answer);
    requests.push(record);
    if (requests.length > MAX_RECORDS) requests.shift();
    onRequest?.(record);
    await send(response, answer, party?.behaviour.delayMs ?? 0, closed.signal);
  };
  const listener =
    (controllable: boolean) =>
    (request: IncomingMessage, response: ServerResponse): void => {
      handle(request, response, controllable).catch((error: unknown) => {
        // The caller went away in the middle of a slow answer, or something is broken: the log tells.
        if (!response.destroyed) response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    };

  const plain = createServer(listener(true));
  const bound = await listen(plain, port, address);
  const secure = tls === undefined ? null : await startSecure(tls, listener(false));
  return {
    url: `http://${address}:${bound}`,
    port: bound,
    tls: secure === null ? null : { port: secure.port, ca: secure.ca, hosts: standInHosts },
    requests,
    stop: async () => {
      await Promise.all([plain, ...(secure === null ? [] : [secure.server])].map(close));
    },
  };
}

async function startSecure(
  { folder, address = '127.0.0.1', port = 443 }: NonNullable<StandInOptions['tls']>,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ server: ClosableServer; port: number; ca: string }> {
  const { cert, key, ca } = await serverCertificate(folder, standInHosts);
  const server = createTlsServer({ cert, key }, onRequest);
  return { server, port: await listen(server, port, address), ca };
}

type ClosableServer = NetServer & { closeAllConnections(): void };

async function listen(server: NetServer, port: number, address: string): Promise<number> {
  // Some tools try a WebSocket first and take 426 for "use HTTP".
  server.on('upgrade', (_request, socket: NodeJS.WritableStream) => {
    socket.end('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function close(server: ClosableServer): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeAllConnections();
  await closed;
}

export function maskKey(key: string): string {
  return `${key.slice(0, 4)}… (${key.length})`;
}

/** A provider's own names are its alone; at any other name (an address, in tests) each is asked in turn. */
function choose(
  asked: ModelRequest,
  parties: readonly Party[],
): { party: Party | undefined; answer: Answer } {
  const owner = parties.find(({ hosts }) => hosts.includes(asked.host));
  for (const party of owner === undefined ? parties : [owner]) {
    const answer = party.oauth.answer(asked, party) ?? party.model.answer(asked, party);
    if (answer !== null) return { party, answer };
  }
  return {
    party: owner,
    answer: plainError(404, `${asked.method} ${asked.host}${asked.path} is not stood in for`),
  };
}

function toRecord(
  asked: ModelRequest,
  bytes: number,
  party: Party | undefined,
  answer: Answer,
): RequestRecord {
  const key = party?.model.key(asked.headers);
  const text = (name: string): string | null => {
    const value = asked.body[name];
    return typeof value === 'string' ? value : null;
  };
  return {
    time: new Date().toISOString(),
    method: asked.method,
    host: asked.host,
    path: asked.path,
    provider: party?.name ?? null,
    key: key === undefined ? null : maskKey(key),
    grantType: text('grant_type'),
    model: text('model'),
    stream: asked.body['stream'] === true,
    bytes,
    status: answer.type === 'events' ? 200 : answer.type === 'redirect' ? 302 : answer.status,
  };
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
  switch (answer.type) {
    case 'json':
      if (answer.slow === true && delayMs > 0) await wait(delayMs, undefined, { signal });
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer.body));
      return;
    case 'page':
      response.writeHead(answer.status, {
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
      });
      response.end(answer.html);
      return;
    case 'redirect':
      response.writeHead(302, { location: answer.location, 'cache-control': 'no-store' });
      response.end();
      return;
    case 'events':
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      for (const { event, data, slow } of answer.events) {
        if (slow === true && delayMs > 0) await wait(delayMs, undefined, { signal });
        response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`);
      }
      response.end();
  }
}
