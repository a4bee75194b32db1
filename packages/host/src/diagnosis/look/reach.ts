import { connect } from 'node:net';
import { withAbort, type Progress } from '@hearth/contract';

/** What became of a TCP connection. accepted, refused: the guest's kernel answers. */
export interface Reach {
  outcome: 'accepted' | 'refused' | 'unreachable' | 'no_answer';
  /** `192.168.100.9:8080: ECONNREFUSED` */
  detail: string;
}

/** An address that nobody owns fails after 3.1 s by itself. */
const CONNECT_TIMEOUT_MS = 5000;

/** Tries a connection, and closes it. */
export async function reachPort(ip: string, port: number, progress: Progress): Promise<Reach> {
  const { promise, resolve } = Promise.withResolvers<Reach>();
  const where = `${ip}:${port}`;
  const socket = connect({ host: ip, port });
  const end = (outcome: Reach['outcome'], word: string): void =>
    resolve({ outcome, detail: `${where}: ${word}` });
  const timer = setTimeout(
    () => end('no_answer', `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`),
    CONNECT_TIMEOUT_MS,
  );
  socket.once('connect', () => end('accepted', 'accepted'));
  socket.on('error', ({ code = 'unknown' }: NodeJS.ErrnoException) =>
    end(code === 'ECONNREFUSED' || code === 'ECONNRESET' ? 'refused' : 'unreachable', code),
  );
  try {
    return await withAbort(promise, progress.signal);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
