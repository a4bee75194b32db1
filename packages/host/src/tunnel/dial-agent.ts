import { abortReason, AGENT_PORT, fromProblem, HearthError, problemSchema } from '@hearth/contract';
import { request, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { asAgentError, type AgentEndpoint } from '../guest-link/agent-client.ts';
import type { GuestConnection } from './relay.ts';

export interface DialAgentOptions {
  path: string;
  /** Value of `Upgrade`. */
  protocol: string;
  requestId: string;
  signal: AbortSignal;
}

/** The agent opens a stream at once, or says why not. */
const ANSWER_TIMEOUT_MS = 10_000;
/** A problem is short. */
const MAX_PROBLEM_BYTES = 256 * 1024;

/** Opens a stream of the agent. Throws what the agent answers, agent_unreachable, or the reason of the signal. */
export async function dialAgent(
  endpoint: AgentEndpoint & { port?: number },
  { path, protocol, requestId, signal }: DialAgentOptions,
): Promise<GuestConnection> {
  if (signal.aborted) throw abortReason(signal);
  const { promise, resolve, reject } = Promise.withResolvers<GuestConnection>();
  const call = request({
    host: endpoint.ip,
    port: endpoint.port ?? AGENT_PORT,
    path,
    agent: false,
    signal,
    headers: {
      authorization: `Bearer ${endpoint.token.reveal()}`,
      connection: 'Upgrade',
      upgrade: protocol,
      'x-request-id': requestId,
    },
  });
  const timer = setTimeout(() => {
    call.destroy(new HearthError('agent_unreachable', `${endpoint.ip}: packets get no answer`));
  }, ANSWER_TIMEOUT_MS);
  call.on('error', (error) => reject(asAgentError(error, endpoint, signal)));
  call.on('upgrade', (_answer, socket: Socket, head: Buffer) => {
    socket.pause();
    // Whoever relays it listens for its end; an error in between must not be nobody's.
    socket.on('error', () => undefined);
    socket.setNoDelay(true);
    // A guest that vanished without a word is found out.
    socket.setKeepAlive(true, 30_000);
    if (head.length > 0) socket.unshift(head);
    resolve({
      socket,
      read: (take) => {
        socket.on('data', (chunk: Buffer) => {
          if (!take(chunk)) socket.pause();
        });
        socket.resume();
      },
    });
  });
  call.on('response', (answer) => {
    readRefusal(answer).then(reject, (error: unknown) => reject(asAgentError(error, endpoint, signal)));
  });
  call.end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function readRefusal(answer: IncomingMessage): Promise<HearthError> {
  let text = '';
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (text.length > MAX_PROBLEM_BYTES) break;
  }
  const problem = problemSchema.safeParse(asJson(text));
  if (problem.success) return fromProblem(problem.data);
  return new HearthError(
    'agent_unreachable',
    `the agent answered ${answer.statusCode ?? 0}: ${text.slice(0, 200)}`,
  );
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not a problem of ours: its text is reported.
    return undefined;
  }
}
