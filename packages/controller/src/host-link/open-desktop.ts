import {
  abortReason,
  DESKTOP_PASSWORD_HEADER,
  DESKTOP_PROTOCOL,
  HearthError,
  Secret,
  type VmId,
} from '@hearth/contract';
import { request, type IncomingMessage } from 'node:http';
import { DirectSocket } from './direct-socket.ts';
import type { CallOptions, HostDesktop } from './host-link.ts';

/** How the host's refusal and a broken link become errors; the same for every call to the host. */
export interface LinkErrors {
  ofTransport(error: unknown, signal: AbortSignal): HearthError;
  ofRefusal(status: number, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<HearthError>;
}

/** GET /v1/vms/:id/desktop over the host's unix socket, upgraded to the bytes of the VM's VNC server. */
export async function openDesktop(
  socketPath: string,
  id: VmId,
  { signal, requestId }: CallOptions,
  errors: LinkErrors,
): Promise<HostDesktop> {
  if (signal.aborted) throw abortReason(signal);
  const socket = new DirectSocket();
  const opened = Promise.withResolvers<HostDesktop>();
  const fail = (error: HearthError): void => {
    socket.destroy();
    opened.reject(error);
  };
  const call = request({
    path: `/v1/vms/${id}/desktop`,
    headers: {
      host: 'host',
      connection: 'Upgrade',
      upgrade: DESKTOP_PROTOCOL,
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
    const password = answer.headers[DESKTOP_PASSWORD_HEADER];
    if (typeof password !== 'string') {
      fail(new HearthError('internal', 'the host daemon opened a desktop without its password'));
      return;
    }
    socket.hold(head);
    // Whoever takes the socket over listens for its end; an error in between must not be nobody's.
    socket.on('error', () => undefined);
    opened.resolve({ socket, password: new Secret(password) });
  });
  call.end();
  return opened.promise;
}
