import {
  HearthError,
  fromProblem,
  parseWith,
  problemSchema,
  type ErrorCode,
  type Secret,
} from '@hearth/contract';
import { Agent, request, type Dispatcher } from 'undici';
import type { z } from 'zod';

export type RequestBody = Uint8Array | string | AsyncIterable<Uint8Array>;

export interface CallOptions {
  query?: Record<string, string | undefined>;
  /** Sent as application/json. */
  json?: unknown;
  /** Sent as application/octet-stream. */
  body?: RequestBody;
  headers?: Record<string, string>;
  /** Until the answer's first byte; an open stream has no limit of its own but the signal. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** A status that is an answer and no error: /health says 503 with its checks. */
  acceptStatus?: number;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Answer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: AsyncIterable<Uint8Array>;
}

/** Calls to one server that answers errors as problem+json. */
export interface Api {
  readonly origin: string;
  /** An answer of JSON that is checked. Throws the server's own HearthError. */
  get<T extends z.ZodType>(schema: T, path: string, options?: CallOptions): Promise<z.infer<T>>;
  call<T extends z.ZodType>(
    method: Method,
    schema: T,
    path: string,
    options?: CallOptions,
  ): Promise<z.infer<T>>;
  /** An answer that is read as it comes, or not at all. */
  open(method: Method, path: string, options?: CallOptions): Promise<Answer>;
  close(): Promise<void>;
}

export interface ApiOptions {
  origin: string;
  /** A unix socket instead of the origin's address. */
  socketPath?: string;
  token?: Secret;
  /** What is reported when nobody listens. */
  unreachable: ErrorCode;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const NOBODY_LISTENS = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ECONNRESET',
  'UND_ERR_SOCKET',
  'EHOSTUNREACH',
  'ENOTFOUND',
]);

export function makeApi({ origin, socketPath, token, unreachable }: ApiOptions): Api {
  const dispatcher = new Agent({
    // A command may be silent for hours; deadlines come by the signal.
    bodyTimeout: 0,
    headersTimeout: 0,
    connect: { timeout: 10_000, ...(socketPath === undefined ? {} : { socketPath }) },
  });

  const send = async (
    method: Method,
    path: string,
    options: CallOptions,
  ): Promise<Dispatcher.ResponseData> => {
    const url = new URL(path, origin);
    for (const [name, value] of Object.entries(options.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, value);
    const late = new AbortController();
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const where = socketPath ?? origin;
    const timer = setTimeout(() => {
      late.abort(
        new HearthError(
          'deadline_exceeded',
          `${method} ${url.pathname}: ${where} gave no answer within ${timeoutMs / 1000} s`,
          {
            hint: 'See whether it is well with `hearth status`.',
          },
        ),
      );
    }, timeoutMs);
    try {
      return await request(url, {
        method,
        dispatcher,
        signal: options.signal === undefined ? late.signal : AbortSignal.any([late.signal, options.signal]),
        headers: {
          accept: 'application/json, application/x-ndjson, text/event-stream, */*',
          ...(token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` }),
          ...(options.json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(options.body === undefined ? {} : { 'content-type': 'application/octet-stream' }),
          ...options.headers,
        },
        body:
          options.json === undefined
            ? ((options.body as Dispatcher.DispatchOptions['body']) ?? null)
            : JSON.stringify(options.json),
      });
    } catch (error) {
      throw transportError(error, where, unreachable);
    } finally {
      clearTimeout(timer);
    }
  };

  const open = async (method: Method, path: string, options: CallOptions = {}): Promise<Answer> => {
    const answer = await send(method, path, options);
    if (answer.statusCode >= 400 && answer.statusCode !== options.acceptStatus)
      throw await readProblem(answer, `${method} ${path}`);
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: readBody(answer.body, socketPath ?? origin, unreachable),
    };
  };

  const call: Api['call'] = async (method, schema, path, options = {}) => {
    const { body } = await open(method, path, options);
    const text = await readText(body);
    return parseWith(
      schema,
      text === '' ? undefined : parseJson(text, `${method} ${path}`),
      'internal',
      `answer to ${method} ${path}`,
    );
  };

  return {
    origin,
    open,
    call,
    get: (schema, path, options) => call('GET', schema, path, options),
    close: () => dispatcher.destroy(),
  };
}

export async function readText(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** The body's bytes; a connection that breaks becomes one of our errors. */
async function* readBody(
  chunks: AsyncIterable<Uint8Array>,
  where: string,
  unreachable: ErrorCode,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    throw transportError(error, where, unreachable);
  }
}

/** F38: a fault of the network keeps its cause and is not blamed on the client. */
function transportError(error: unknown, where: string, unreachable: ErrorCode): HearthError {
  if (error instanceof HearthError) return error;
  const { code, message, name } = error as NodeJS.ErrnoException;
  if (name === 'AbortError') return new HearthError('aborted', 'interrupted', { cause: error });
  if (code === 'EACCES')
    return new HearthError('forbidden', `${where} may not be opened by this user`, {
      cause: error,
      hint: 'Run this command as root.',
    });
  if (code !== undefined && NOBODY_LISTENS.has(code))
    return new HearthError(unreachable, `${where}: ${message} (${code})`, { cause: error });
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return new HearthError(unreachable, `${where}: no answer`, { cause: error });
  return new HearthError('internal', `${where}: ${message}`, { cause: error });
}

async function readProblem(answer: Dispatcher.ResponseData, what: string): Promise<HearthError> {
  const text = (await answer.body.text()).slice(0, 64 * 1024);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    return new HearthError('internal', `${what} was answered with ${answer.statusCode} and no problem+json`, {
      cause,
      hint: 'Something other than Hearth answers at this address: check --url and HEARTH_URL.',
    });
  }
  const problem = problemSchema.safeParse(data);
  if (problem.success) return fromProblem(problem.data);
  return new HearthError(
    'internal',
    `${what} was answered with ${answer.statusCode}: ${text.slice(0, 300)}`,
    {
      cause: problem.error,
      hint: 'Server and command line may be of different versions: restart with `hearth down` and `hearth up`.',
    },
  );
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HearthError('internal', `the answer to ${what} is not JSON`, {
      cause,
      hint: 'Something other than Hearth answers at this address: check --url and HEARTH_URL.',
    });
  }
}
