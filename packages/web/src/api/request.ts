import { asHearthError, fromProblem, HearthError, parseWith, problemSchema } from '@hearth/contract';
import type { z } from 'zod';
import { announceSessionLost } from '../session/session-lost.ts';
import { setReachable } from './reachability.ts';
import { noteServerDate } from './server-clock.ts';

const CALL_TIMEOUT_MS = 30_000;

export interface RequestOptions {
  /** Goes as JSON. */
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
  /** Until the answer; 30 s where left out. */
  timeoutMs?: number;
  /** A 401 is part of the answer (signing in), not the loss of a session. */
  anonymous?: boolean;
}

/** The error that an answer's body tells, or one made of its status where something in between answered. */
export function errorOfAnswer(status: number, body: string): HearthError {
  try {
    return fromProblem(problemSchema.parse(JSON.parse(body)));
  } catch (cause) {
    return new HearthError(
      status >= 502 && status <= 504 ? 'controller_unreachable' : 'internal',
      `the answer has status ${status} and is not one of Hearth's`,
      { cause },
    );
  }
}

/** Sends a request and gives its answer as soon as the headers are there. Throws HearthError. */
export async function send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const { body, headers, signal, anonymous = false } = options;
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
      cache: 'no-store',
    });
  } catch (cause) {
    if (signal?.aborted === true) throw asHearthError(signal.reason, 'aborted');
    setReachable(false);
    throw new HearthError('controller_unreachable', 'the connection was refused or broke off', { cause });
  }
  noteServerDate(answer.headers.get('date'));
  if (!answer.ok) {
    const error = errorOfAnswer(answer.status, await answer.text());
    setReachable(error.code !== 'controller_unreachable');
    if (error.code === 'unauthenticated' && !anonymous) announceSessionLost();
    throw error;
  }
  setReachable(true);
  return answer;
}

/** Calls the API and checks what comes back. Throws HearthError. */
export async function call<T extends z.ZodType>(
  method: string,
  schema: T,
  path: string,
  options: RequestOptions = {},
): Promise<z.infer<T>> {
  const answer = await sendWithin(method, path, options);
  return parseWith(schema, await answer.json(), 'internal', 'answer');
}

/** Calls the API where the answer has no body. Throws HearthError. */
export async function tell(method: string, path: string, options: RequestOptions = {}): Promise<void> {
  const answer = await sendWithin(method, path, options);
  await answer.body?.cancel();
}

async function sendWithin(method: string, path: string, options: RequestOptions): Promise<Response> {
  const { signal, timeoutMs = CALL_TIMEOUT_MS } = options;
  const deadline = new AbortController();
  const timer = setTimeout(
    () =>
      deadline.abort(
        new HearthError('controller_unreachable', `no answer within ${timeoutMs / 1000} seconds`),
      ),
    timeoutMs,
  );
  try {
    return await send(method, path, {
      ...options,
      signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
    });
  } finally {
    clearTimeout(timer);
  }
}
