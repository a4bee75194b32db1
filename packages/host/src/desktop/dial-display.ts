import { HearthError, type Secret } from '@hearth/contract';
import { connect } from 'node:net';
import type { GuestConnection, TakeBytes } from '../tunnel/relay.ts';

/** Where the display of a ready VM is, and the password of its present boot. */
export interface DisplayEndpoint {
  ip: string;
  port: number;
  password: Secret;
}

/** As for the agent: an address that nobody owns fails after 3.1 s by itself. */
const CONNECT_TIMEOUT_MS = 4000;
/** One read takes at most this much; measured: smaller costs throughput, larger gains nothing. */
const READ_BYTES = 256 * 1024;

/** Connects to the VNC server of a VM; nothing is read yet. Throws desktop_unreachable, or the reason of the signal. */
export async function dialDisplay(
  { ip, port }: DisplayEndpoint,
  signal: AbortSignal,
): Promise<GuestConnection> {
  let take: TakeBytes = () => false;
  const socket = connect({
    host: ip,
    port,
    noDelay: true,
    // One buffer for all reads: the bytes of a screen are neither copied nor left to the garbage collector.
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (bytes, buffer) => take(Buffer.from(buffer.buffer, buffer.byteOffset, bytes)),
    },
  }).pause();
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const fail = (detail: string, cause?: unknown): void => {
    reject(new HearthError('desktop_unreachable', `${ip}:${port}: ${detail}`, { cause }));
  };
  const onAbort = (): void => reject(signal.reason as Error);
  const timer = setTimeout(() => fail('packets get no answer'), CONNECT_TIMEOUT_MS);
  const onError = (error: NodeJS.ErrnoException): void => fail(meaningOf(error), error);
  socket.once('connect', () => resolve(undefined)).once('error', onError);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    await promise;
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
  socket.off('error', onError);
  return {
    socket,
    read: (taker) => {
      take = taker;
      socket.resume();
    },
  };
}

/** F38: says which part failed and how. */
function meaningOf({ code = 'unknown' }: NodeJS.ErrnoException): string {
  const meaning: Record<string, string> = {
    EHOSTUNREACH: 'nobody owns this address on the bridge',
    ECONNREFUSED: 'the guest is there, its VNC server does not listen',
    ECONNRESET: 'the guest closed the connection',
  };
  return `${meaning[code] ?? 'the connection failed'} (${code})`;
}
