import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';

/** Keeps proxies from ending a quiet stream. */
const HEARTBEAT_MS = 15_000;
/** A reader that lets this much pile up has gone to sleep. */
const MAX_BACKLOG_BYTES = 1024 * 1024;

/** Last word of a stream that ends because the controller does: a comment, so that readers connect again as after any end. */
export const SHUTTING_DOWN_WORD = ': shutting_down\n\n';

/** Server-sent events to one client. */
export interface EventStream {
  send(event: { type: string; [field: string]: unknown }, id?: number): void;
  /** Nothing follows; what was sent still arrives. */
  end(): void;
  /** Sends the answer's head and all that comes. */
  start(): FastifyReply;
  /** Closes without an answer, for an error that is answered otherwise. */
  abandon(): void;
}

/**
 * Prepares the answer: watching begins before reading, so that no change falls between; `stop` ends the watching
 * once the client is gone or the stream has ended.
 */
export function openEventStream(reply: FastifyReply, stopping: AbortSignal, stop: () => void): EventStream {
  const stream = new Readable({ read: () => undefined });
  let ended = false;
  const push = (text: string): void => {
    if (ended || stream.destroyed) return;
    if (stream.readableLength > MAX_BACKLOG_BYTES) stream.destroy();
    else stream.push(text);
  };
  const end = (): void => {
    if (ended || stream.destroyed) return;
    ended = true;
    stream.push(null);
  };
  const endWithController = (): void => {
    push(SHUTTING_DOWN_WORD);
    end();
  };
  const heartbeat = setInterval(() => push(': beat\n\n'), HEARTBEAT_MS);
  stream.once('close', () => {
    stop();
    clearInterval(heartbeat);
    stopping.removeEventListener('abort', endWithController);
  });
  stopping.addEventListener('abort', endWithController, { once: true });
  // Also where the client goes away before the answer begins.
  reply.raw.once('close', () => stream.destroy());
  return {
    send: (event, id) => {
      const number = id === undefined ? '' : `id: ${id}\n`;
      push(`${number}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    },
    end,
    start: () => reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream),
    abandon: () => stream.destroy(),
  };
}

export interface OneThing<T> {
  /** Calls with the thing at each change; gives what ends that. */
  watch: (listener: (value: T) => void) => () => void;
  /** The thing as it is. Throws where the caller may not know of it. */
  now: () => Promise<T>;
  /** Sends it, or ends the stream. */
  tell: (stream: EventStream, value: T) => void;
}

/** Streams one thing: as it is, then what it became meanwhile, then every change. */
export async function streamChanges<T>(
  reply: FastifyReply,
  stopping: AbortSignal,
  { watch, now, tell }: OneThing<T>,
): Promise<FastifyReply> {
  const waiting: T[] = [];
  let deliver = (value: T): void => void waiting.push(value);
  const unwatch = watch((value) => deliver(value));
  const stream = openEventStream(reply, stopping, unwatch);
  const send = (value: T): void => tell(stream, value);
  try {
    send(await now());
  } catch (error) {
    stream.abandon();
    throw error;
  }
  deliver = send;
  waiting.forEach(send);
  return stream.start();
}
