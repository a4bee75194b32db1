import {
  DESKTOP_PASSWORD_HEADER,
  DESKTOP_PROTOCOL,
  HearthError,
  type Secret,
  type VmId,
} from '@hearth/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ServerResponse, type IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { dialDisplay, type DisplayEndpoint } from './dial-display.ts';
import { relay } from './relay.ts';

export interface DesktopRouteOptions {
  idOf: (request: FastifyRequest) => VmId;
  /** Throws not_found, not_a_desktop, vm_not_ready. */
  endpoint: (id: VmId) => DisplayEndpoint;
  /** Tells when the VM is ready no longer; returns how to stop listening. */
  onEnd: (id: VmId, listener: () => void) => () => void;
}

/** GET /v1/vms/:id/desktop with `Upgrade: rfb`: the bytes of the VM's VNC server. */
export function addDesktopRoute(app: FastifyInstance, { idOf, endpoint, onEnd }: DesktopRouteOptions): void {
  /** Connections that ask for another protocol, while their request is answered. */
  const upgrading = new WeakMap<IncomingMessage, Socket>();
  const stopping = new AbortController();
  app.addHook('preClose', (done) => {
    stopping.abort(new HearthError('shutting_down', 'the host daemon stops'));
    done();
  });
  // Node answers no request that asks for an upgrade; so such a one goes through the same hooks and routes as all others.
  app.server.on('upgrade', (request: IncomingMessage, socket, head: Buffer) => {
    // Types know any stream here; a server of ours has sockets only.
    if (!(socket instanceof Socket)) throw new TypeError('an upgrade without a socket');
    socket.on('error', () => socket.destroy());
    if (head.length > 0) socket.unshift(head);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => socket.destroySoon());
    upgrading.set(request, socket);
    app.routing(request, response);
  });

  app.get('/v1/vms/:id/desktop', async (request, reply) => {
    const id = idOf(request);
    const socket = upgrading.get(request.raw);
    if (socket === undefined || request.headers.upgrade?.toLowerCase() !== DESKTOP_PROTOCOL)
      throw new HearthError('bad_request', `a desktop is opened with \`Upgrade: ${DESKTOP_PROTOCOL}\``);
    const display = endpoint(id);
    const ended = new AbortController();
    const end = (): void => ended.abort(new HearthError('desktop_ended', 'the VM ended', { vmId: id }));
    const gone = (): void => ended.abort(new HearthError('aborted', 'the caller went away'));
    const stopListening = onEnd(id, end);
    socket.once('close', gone);
    const signal = AbortSignal.any([ended.signal, stopping.signal]);
    try {
      const connection = await dialDisplay(display, signal);
      acceptUpgrade(reply, socket, display.password);
      await relay(socket, connection, signal);
    } finally {
      stopListening();
      socket.off('close', gone);
    }
  });
}

/** Takes the connection away from HTTP. */
function acceptUpgrade(reply: FastifyReply, socket: Socket, password: Secret): void {
  reply.hijack();
  reply.raw.detachSocket(socket);
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    `Upgrade: ${DESKTOP_PROTOCOL}`,
    `${DESKTOP_PASSWORD_HEADER}: ${password.reveal()}`,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
}
