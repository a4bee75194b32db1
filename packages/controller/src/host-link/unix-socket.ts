import {
  abortReason,
  asHearthError,
  drainSchema,
  driftReportSchema,
  fromProblem,
  HearthError,
  hostCapacitySchema,
  hostEventSchema,
  hostHealthSchema,
  goneVmSchema,
  guestCredentialSchema,
  hostVmSchema,
  parseWith,
  problemSchema,
  readEvents,
  removedSnapshotSchema,
  snapshotListSchema,
  sweepReportSchema,
  TERMINAL_PROTOCOL,
  whySchema,
  type GuestCredential,
  type ProviderId,
  type VmId,
} from '@hearth/contract';
import type { Readable } from 'node:stream';
import { Pool, type Dispatcher } from 'undici';
import { z } from 'zod';
import type { CallOptions, HostLink } from './host-link.ts';
import { openDesktop } from './open-desktop.ts';
import { openUpgrade, type LinkErrors } from './open-upgrade.ts';

/** An answer that is no stream begins within this time, and has no longer gap. Deletion waits for the VMM's end. */
const ANSWER_TIMEOUT_MS = 130_000;
/** The host sends a beat every 10 s; a longer silence means that it is gone. */
const EVENT_SILENCE_MS = 25_000;
/** A problem is short. */
const MAX_PROBLEM_BYTES = 256 * 1024;

const hostVmListSchema = z.object({ vms: z.array(hostVmSchema) });

interface Request extends CallOptions {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: string | Readable;
  contentType?: string;
  /** Longest gap in the answer; 0: none is too long. */
  silenceMs?: number;
}

/** The host daemon behind its unix socket. */
export function connectHost(socketPath: string): HostLink {
  const pool = new Pool('http://host', { socketPath, headersTimeout: ANSWER_TIMEOUT_MS });

  const send = async (request: Request): Promise<Dispatcher.ResponseData> => {
    const { method, path, body, contentType, signal, requestId, silenceMs } = request;
    if (signal.aborted) throw abortReason(signal);
    let answer: Dispatcher.ResponseData;
    try {
      answer = await pool.request({
        method,
        path,
        signal,
        bodyTimeout: silenceMs ?? ANSWER_TIMEOUT_MS,
        headers: {
          ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
          ...(body === undefined ? {} : { 'content-type': contentType ?? 'application/json' }),
        },
        ...(body === undefined ? {} : { body }),
      });
    } catch (error) {
      throw asLinkError(error, signal, socketPath);
    }
    if (answer.statusCode < 300) return answer;
    throw await readProblem(answer.statusCode, answer.body, signal, socketPath);
  };
  const sendJson = async <T extends z.ZodType>(schema: T, request: Request): Promise<z.infer<T>> => {
    const answer = await send(request);
    let data: unknown;
    try {
      data = await answer.body.json();
    } catch (error) {
      throw asLinkError(error, request.signal, socketPath);
    }
    return parseWith(
      schema,
      data,
      'internal',
      `answer of the host daemon to ${request.method} ${request.path}`,
    );
  };

  const sendBody = <T extends z.ZodType>(
    schema: T,
    { body, ...request }: CallOptions & { method: 'POST' | 'PUT'; path: string; body: unknown },
  ): Promise<z.infer<T>> => sendJson(schema, { ...request, body: JSON.stringify(body) });
  const credentialCall = (
    method: 'GET' | 'DELETE',
    id: VmId,
    provider: ProviderId,
    options: CallOptions,
  ): Promise<GuestCredential> =>
    sendJson(guestCredentialSchema, { ...options, method, path: `/v1/vms/${id}/credentials/${provider}` });

  const linkErrors: LinkErrors = {
    ofTransport: (error, signal) => asLinkError(error, signal, socketPath),
    ofRefusal: (status, body, signal) => readProblem(status, body, signal, socketPath),
  };

  return {
    health: (options) => sendJson(hostHealthSchema, { ...options, method: 'GET', path: '/v1/health' }),
    capacity: (options) => sendJson(hostCapacitySchema, { ...options, method: 'GET', path: '/v1/capacity' }),
    list: async (options) =>
      (await sendJson(hostVmListSchema, { ...options, method: 'GET', path: '/v1/vms' })).vms,
    get: (id, options) =>
      orNull(sendJson(hostVmSchema, { ...options, method: 'GET', path: `/v1/vms/${id}` })),
    create: (id, body, options) =>
      sendBody(hostVmSchema, { ...options, method: 'PUT', path: `/v1/vms/${id}`, body }),
    hibernate: (id, options) =>
      sendJson(hostVmSchema, { ...options, method: 'POST', path: `/v1/vms/${id}/hibernate` }),
    resume: (id, body, options) =>
      sendBody(hostVmSchema, { ...options, method: 'POST', path: `/v1/vms/${id}/resume`, body }),
    restart: (id, body, options) =>
      sendBody(hostVmSchema, { ...options, method: 'POST', path: `/v1/vms/${id}/restart`, body }),
    why: (id, { stored }, options) =>
      sendJson(whySchema, {
        ...options,
        method: 'GET',
        path: `/v1/vms/${id}/why${stored ? '?stored=true' : ''}`,
      }),
    sweep: (body, options) =>
      sendBody(sweepReportSchema, { ...options, method: 'POST', path: '/v1/sweep', body }),
    drift: ({ now }, options) =>
      sendJson(driftReportSchema, {
        ...options,
        method: 'GET',
        path: `/v1/drift${now ? '?now=true' : ''}`,
      }),
    drain: (options) => sendJson(drainSchema, { ...options, method: 'GET', path: '/v1/drain' }),
    setDrain: (body, options) =>
      sendBody(drainSchema, { ...options, method: 'PUT', path: '/v1/drain', body }),
    metrics: async (options) => {
      const answer = await send({ ...options, method: 'GET', path: '/v1/metrics' });
      try {
        return await answer.body.text();
      } catch (error) {
        throw asLinkError(error, options.signal, socketPath);
      }
    },
    snapshots: (options) =>
      sendJson(snapshotListSchema, { ...options, method: 'GET', path: '/v1/snapshots' }),
    removeSnapshot: (id, options) =>
      sendJson(removedSnapshotSchema, { ...options, method: 'DELETE', path: `/v1/snapshots/${id}` }),
    remove: (id, options) => sendJson(goneVmSchema, { ...options, method: 'DELETE', path: `/v1/vms/${id}` }),
    events: async (options) => {
      const answer = await send({
        ...options,
        method: 'GET',
        path: '/v1/events',
        silenceMs: EVENT_SILENCE_MS,
      });
      return readEvents(answer.body, hostEventSchema);
    },
    pass: async ({ method, vmId, path, query = {}, body, contentType }, options) => {
      const search = new URLSearchParams(query).toString();
      const answer = await send({
        ...options,
        method,
        path: `/v1/vms/${vmId}/${path}${search === '' ? '' : `?${search}`}`,
        silenceMs: 0,
        ...(body === undefined ? {} : { body }),
        ...(contentType === undefined ? {} : { contentType }),
      });
      return {
        status: answer.statusCode,
        contentType: answer.headers['content-type']?.toString(),
        contentLength: answer.headers['content-length']?.toString(),
        body: answer.body,
      };
    },
    getCredential: (id, provider, options) => orNull(credentialCall('GET', id, provider, options)),
    putCredential: async (id, credential, options) => {
      const body = JSON.stringify(credential);
      const path = `/v1/vms/${id}/credentials/${credential.provider}`;
      (await send({ ...options, method: 'PUT', path, body })).body.resume();
    },
    keptCredential: async (id, provider, kept, options) => {
      const path = `/v1/vms/${id}/credentials/${provider}/kept`;
      (await send({ ...options, method: 'POST', path, body: JSON.stringify(kept) })).body.resume();
    },
    dropCredential: (id, provider, options) => orNull(credentialCall('DELETE', id, provider, options)),
    openDesktop: (id, options) => openDesktop(socketPath, id, options, linkErrors),
    openTerminal: async (id, terminalId, options) => {
      const path = `/v1/vms/${id}/terminals/${terminalId}/attach`;
      const { socket, head } = await openUpgrade(socketPath, path, TERMINAL_PROTOCOL, options, linkErrors);
      if (head.length > 0) socket.unshift(head);
      return socket;
    },
    close: () => pool.destroy(),
  };
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof HearthError && error.code === 'not_found') return null;
    throw error;
  }
}

/** What undici throws, as the error it means (F38: a broken link is not blamed on anything else). */
function asLinkError(error: unknown, signal: AbortSignal, socketPath: string): HearthError {
  if (signal.aborted) return abortReason(signal);
  if (error instanceof HearthError) return error;
  const { detail } = asHearthError(error);
  return new HearthError('host_unreachable', `${socketPath}: ${detail}`, { cause: error });
}

async function readProblem(
  status: number,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  socketPath: string,
): Promise<HearthError> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > MAX_PROBLEM_BYTES) break;
      chunks.push(chunk);
    }
  } catch (error) {
    return asLinkError(error, signal, socketPath);
  }
  const text = Buffer.concat(chunks).toString();
  const problem = problemSchema.safeParse(parseJson(text));
  if (problem.success) return fromProblem(problem.data);
  return new HearthError(
    'internal',
    `the host daemon answered ${status} without a problem: ${text.slice(0, 200)}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON, so not a problem of ours: the caller reports the text.
    return undefined;
  }
}
