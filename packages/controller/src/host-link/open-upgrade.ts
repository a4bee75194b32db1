import { abortReason, type HearthError } from '@hearth/contract';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { DirectSocket } from './direct-socket.ts';
import type { CallOptions } from './host-link.ts';

/** How the host's refusal and a broken link become errors; the same for every call to the host. */
export interface LinkErrors {
  ofTransport(error: unknown, signal: AbortSignal): HearthError;
  ofRefusal(status: number, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<HearthError>;
}

export interface Upgraded {
  /** Paused; whoever takes it over listens for its end. */
  socket: DirectSocket;
  /** What came with the answer's head. */
  head: Buffer;
  headers: IncomingHttpHeaders;
}

/** A request to the host's unix socket that becomes a stream of another protocol. */
export async function openUpgrade(
  socketPath: string,
  path: string,
  protocol: string,
  { signal, requestId }: CallOptions,
  errors: LinkErrors,
): Promise<Upgraded> {
  if (signal.aborted) throw abortReason(signal);
  const socket = new DirectSocket();
  const opened = Promise.withResolvers<Upgraded>();
  const fail = (error: HearthError): void => {
    socket.destroy();
    opened.reject(error);
  };
  const call = request({
    path,
    headers: {
      host: 'host',
      connection: 'Upgrade',
      upgrade: protocol,
      ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
    },
    createConnection: () => socket.connect({ path: socketPath }),
    signal,
  });
  call.on('error', (error) => fail(errors.ofTransport(error, signal)));
  call.on('response', (answer: IncomingMessage) => {
    void errors.ofRefusal(answer.statusCode ?? 0, answer, signal).then(fail);
  });
  call.on('upgrade', (answer: IncomingMessage, _socket, head: Buffer) => {
    socket.pause();
    // An error before somebody listens must not be nobody's.
    socket.on('error', () => undefined);
    opened.resolve({ socket, head, headers: answer.headers });
  });
  call.end();
  return opened.promise;
}
