import { Readable } from 'node:stream';
import {
  AGENT_PORT,
  agentHealthSchema,
  HearthError,
  parseWith,
  problemSchema,
  fromProblem,
  type AgentHealth,
  type Progress,
  type Secret,
} from '@hearth/contract';
import { Agent, request, type Dispatcher } from 'undici';

/** Where the agent of one VM is, and the token of its present boot. */
export interface AgentEndpoint {
  ip: string;
  token: Secret;
}

/** How long a connection to an address that should answer may take; an address that nobody owns fails after 3.1 s by itself. */
const CONNECT_TIMEOUT_MS = 4000;

export interface AgentClient {
  health(endpoint: AgentEndpoint, progress: Progress): Promise<AgentHealth>;
  /** Passes a request on as it is; the caller pipes the answer. Bodies and answers have no time limit of their own. */
  forward(endpoint: AgentEndpoint, options: ForwardOptions): Promise<Dispatcher.ResponseData>;
  close(): Promise<void>;
}

export interface ForwardOptions {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path and query. */
  path: string;
  body?: AsyncIterable<Uint8Array> | string;
  contentType?: string;
  requestId: string;
  signal: AbortSignal;
}

/** HTTP to the agents; the host daemon is the only one that dials VMs. */
export function createAgentClient(): AgentClient {
  const dispatcher = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  // A connection for each request: a kept one could lead to a VM that is gone, whose address another one has by now (F17).
  const reset = true;
  const url = ({ ip }: AgentEndpoint, path: string): string => `http://${ip}:${AGENT_PORT}${path}`;
  return {
    health: async (endpoint, progress) => {
      try {
        const answer = await request(url(endpoint, '/health'), {
          dispatcher,
          reset,
          signal: progress.signal,
          headers: { authorization: `Bearer ${endpoint.token.reveal()}` },
        });
        const body: unknown = await answer.body.json();
        if (answer.statusCode === 200)
          return parseWith(agentHealthSchema, body, 'agent_unreachable', "the agent's /health");
        const problem = problemSchema.safeParse(body);
        throw problem.success
          ? fromProblem(problem.data)
          : new HearthError('agent_unreachable', `the agent answered ${answer.statusCode}`);
      } catch (error) {
        throw asAgentError(error, endpoint, progress.signal);
      }
    },
    forward: async (endpoint, { method, path, body, contentType, requestId, signal }) => {
      try {
        return await request(url(endpoint, path), {
          dispatcher,
          reset,
          method,
          signal,
          headers: {
            authorization: `Bearer ${endpoint.token.reveal()}`,
            'x-request-id': requestId,
            ...(contentType === undefined ? {} : { 'content-type': contentType }),
          },
          body: body === undefined ? null : typeof body === 'string' ? body : Readable.from(body),
        });
      } catch (error) {
        throw asAgentError(error, endpoint, signal);
      }
    },
    close: () => dispatcher.destroy(),
  };
}

/** F38: says which part failed and how, instead of blaming the HTTP client. */
export function asAgentError(error: unknown, { ip }: AgentEndpoint, signal: AbortSignal): HearthError {
  if (error instanceof HearthError) return error;
  if (signal.aborted && signal.reason instanceof HearthError) return signal.reason;
  if (signal.aborted) return new HearthError('aborted', 'the caller went away', { cause: error });
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const meaning: Record<string, string> = {
    EHOSTUNREACH: 'nobody owns this address on the bridge',
    ECONNREFUSED: 'the guest is there, its agent does not listen',
    ECONNRESET: 'the guest closed the connection',
    UND_ERR_CONNECT_TIMEOUT: 'packets get no answer',
    UND_ERR_SOCKET: 'the guest closed the connection',
  };
  return new HearthError(
    'agent_unreachable',
    `${ip}:${AGENT_PORT}: ${meaning[code] ?? 'the connection failed'} (${code})`,
    { cause: error },
  );
}
