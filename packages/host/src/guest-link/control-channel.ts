import type { Duplex } from 'node:stream';
import {
  encodeLine,
  guestMessageSchema,
  HearthError,
  splitLines,
  withAbort,
  type GuestMessage,
  type HostMessage,
  type Log,
  type Progress,
} from '@hearth/contract';

/** A message of the host before it has a number. */
export type ControlRequest = HostMessage extends infer M
  ? M extends HostMessage
    ? Omit<M, 'id'>
    : never
  : never;

/** The host's end of the control channel of one VM (contract/guest-protocol.ts). What comes from the guest is hostile input. */
export interface ControlChannel {
  /** Sends a request and gives the `data` of its reply. Throws control_channel_failed. */
  request(message: ControlRequest, progress: Progress): Promise<unknown>;
  /** Resolves when the stream has ended; never rejects. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Lines in a row that are no message after which the guest is given up. */
const MAX_BAD_LINES = 100;

export function openControlChannel(
  stream: Duplex,
  onMessage: (message: GuestMessage) => void,
  log: Log,
): ControlChannel {
  const waiting = new Map<
    number,
    { resolve: (data: unknown) => void; reject: (error: HearthError) => void }
  >();
  let nextId = 1;
  let badLines = 0;
  let closing = false;

  const take = (line: string): void => {
    const message = parseMessage(line);
    if (message === null) {
      // After a reconnect the first line may be the tail of a broken one.
      badLines += 1;
      log('the control channel dropped a line that is no message', {
        layer: 'control-channel',
        length: line.length,
      });
      if (badLines > MAX_BAD_LINES) stream.destroy();
      return;
    }
    badLines = 0;
    if (message.type !== 'reply') {
      onMessage(message);
      return;
    }
    const waiter = waiting.get(message.id);
    if (message.ok) waiter?.resolve(message.data);
    else
      waiter?.reject(
        new HearthError(
          'control_channel_failed',
          `the guest refused: ${message.error ?? 'without a reason'}`,
        ),
      );
  };

  const read = async (): Promise<void> => {
    try {
      for await (const line of splitLines(stream)) take(line);
    } catch (error) {
      // Closed by us, it ends in the middle of a read as well.
      if (!closing) log('the control channel failed', { layer: 'control-channel', error: String(error) });
    }
    stream.destroy();
    for (const { reject } of waiting.values())
      reject(new HearthError('control_channel_failed', 'the control channel closed during a request'));
  };

  // The agent answers an empty line with `hello`: a host that comes back may have been away too shortly to be noticed.
  stream.write('\n');
  return {
    closed: read(),
    request: async (message, progress) => {
      const id = nextId++;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      waiting.set(id, { resolve, reject });
      try {
        stream.write(encodeLine({ ...message, id }));
        return await withAbort(promise, progress.signal);
      } finally {
        waiting.delete(id);
      }
    },
    close: () => {
      closing = true;
      stream.destroy();
    },
  };
}

function parseMessage(line: string): GuestMessage | null {
  try {
    const parsed = guestMessageSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    // Not JSON: the caller counts and logs it.
    return null;
  }
}
