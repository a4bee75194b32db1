import {
  encodeLine,
  HearthError,
  hostMessageSchema,
  parseWith,
  type GuestMessage,
  type HostMessage,
  type Log,
} from '@hearth/contract';
import { describeError } from '../log.ts';
import { createLineSplitter } from './line-splitter.ts';
import type { ControlTransport } from './transport.ts';

/** All that the host may ask but `ping`, which the channel itself answers. */
export type HandledMessage = Exclude<HostMessage, { type: 'ping' }>;

export interface ControlChannelOptions {
  transport: ControlTransport;
  log: Log;
  hello: () => GuestMessage;
  /** Does what the host asks; the result is the reply's data, a throw its error. */
  handle: (message: HandledMessage) => Promise<unknown>;
  /** Said after each successful `configure`, so that a host that comes back knows the present state. */
  stateMessages: () => GuestMessage[];
  helloIntervalMs?: number;
}

export interface ControlChannel {
  /** Says something to the host; nothing before this connection's `configure`, whose answer brings the state. */
  send(message: GuestMessage): void;
  stop(): void;
}

/**
 * What this connection has come to. `prepared`: the host is about to save the guest; a hello would make it configure anew, so
 * it comes only for who asks for it, or connects.
 */
type Stage = 'new' | 'configured' | 'prepared';

const HELLO_INTERVAL_MS = 1000;
/** Least time between two hellos that garbage provokes. */
const HELLO_QUIET_MS = 100;
/** Requests under way at once; more are refused. */
const MAX_PENDING = 16;

/**
 * The guest's end of the control channel. `hello` goes out at once when a host connects and every second until it has sent
 * `configure`; a line that is no message (the rest of a torn one, or an empty one sent on purpose) is answered by `hello` too.
 */
export function startControlChannel({
  transport,
  log,
  hello,
  handle,
  stateMessages,
  helloIntervalMs = HELLO_INTERVAL_MS,
}: ControlChannelOptions): ControlChannel {
  const lines = createLineSplitter();
  let stage: Stage = 'new';
  let connection = 0;
  let pending = 0;
  let lastHelloMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;

  const write = (message: GuestMessage): boolean => transport.send(Buffer.from(encodeLine(message)));
  const sayHello = (): void => {
    lastHelloMs = performance.now();
    // The newline ends whatever was left unfinished on an earlier connection.
    transport.send(Buffer.from(`\n${encodeLine(hello())}`));
  };
  const onGarbage = (): void => {
    if (stage === 'prepared') stage = 'new';
    if (performance.now() - lastHelloMs >= HELLO_QUIET_MS) sayHello();
  };

  const answer = async (message: HostMessage): Promise<void> => {
    const { id } = message;
    // Whether the agent is awake, not whether it has time: neither turns nor the number of requests count.
    if (message.type === 'ping') {
      write({ type: 'reply', id, ok: true });
      return;
    }
    const askedOn = connection;
    if (pending >= MAX_PENDING) {
      write({ type: 'reply', id, ok: false, error: `${MAX_PENDING} requests are under way` });
      return;
    }
    pending++;
    try {
      const data = await handle(message);
      // A reply is for the host that asked, not for one that connected since.
      if (askedOn !== connection) return;
      write({ type: 'reply', id, ok: true, ...(data === undefined ? {} : { data }) });
      if (message.type === 'configure') {
        stage = 'configured';
        stateMessages().forEach(write);
      } else if (message.type === 'prepare-snapshot') {
        stage = 'prepared';
      }
    } catch (error) {
      log('control channel: request failed', { type: message.type, error: describeError(error) });
      if (askedOn === connection) write({ type: 'reply', id, ok: false, error: describeError(error) });
    } finally {
      pending--;
    }
  };

  const onLine = (line: string | null): void => {
    const parsed = line === null ? null : parseObject(line);
    if (parsed === null) {
      onGarbage();
      return;
    }
    try {
      void answer(parseWith(hostMessageSchema, parsed, 'bad_request', 'message'));
    } catch (error) {
      // Known by its id, an unreadable request still gets its answer.
      if (error instanceof HearthError && Number.isSafeInteger(parsed['id']))
        write({ type: 'reply', id: parsed['id'] as number, ok: false, error: error.detail });
      else onGarbage();
    }
  };

  transport.start({
    onConnect: () => {
      connection++;
      stage = 'new';
      lines.reset();
      sayHello();
      clearInterval(timer);
      timer = setInterval(() => {
        if (stage === 'new') sayHello();
      }, helloIntervalMs);
    },
    onData: (chunk) => lines.push(chunk).forEach(onLine),
    onDisconnect: () => {
      connection++;
      stage = 'new';
      lines.reset();
      clearInterval(timer);
    },
  });

  return {
    send: (message) => {
      if (stage === 'configured') write(message);
    },
    stop: () => {
      clearInterval(timer);
      transport.stop();
    },
  };
}

function parseObject(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
