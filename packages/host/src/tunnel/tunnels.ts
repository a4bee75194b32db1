import { HearthError, type ErrorCode } from '@hearth/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ServerResponse, type IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { relay, type GuestConnection } from './relay.ts';

export interface TunnelOptions {
  /** Value of `Upgrade`. */
  protocol: string;
  /** How it is called that the VM ended meanwhile. */
  endedCode: ErrorCode;
  /** Tells when the VM can't be reached any more; returns how to stop listening. */
  onEnd: (listener: () => void) => () => void;
  /** Where it leads, and what the answer's head says of it; throws what is to be answered instead. */
  dial: () => { headers: Record<string, string>; connect: (signal: AbortSignal) => Promise<GuestConnection> };
}

export interface Tunnels {
  /**
   * Answers a request that asks for a protocol with 101, then passes bytes between its connection and the VM both ways, until
   * either ends. Throws, before the 101, bad_request where another protocol is asked for, and what `dial` throws.
   */
  open(request: FastifyRequest, reply: FastifyReply, options: TunnelOptions): Promise<void>;
}

/** Takes the requests of a server that ask for another protocol. Once for each server. */
export function acceptTunnels(app: FastifyInstance): Tunnels {
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

  return {
    open: async (request, reply, { protocol, endedCode, onEnd, dial }) => {
      const socket = upgrading.get(request.raw);
      if (socket === undefined || request.headers.upgrade?.toLowerCase() !== protocol)
        throw new HearthError('bad_request', `this address is opened with \`Upgrade: ${protocol}\``);
      const { headers, connect } = dial();
      const ended = new AbortController();
      const end = (): void => ended.abort(new HearthError(endedCode, 'the VM ended'));
      const gone = (): void => ended.abort(new HearthError('aborted', 'the caller went away'));
      const stopListening = onEnd(end);
      socket.once('close', gone);
      const signal = AbortSignal.any([ended.signal, stopping.signal]);
      try {
        const connection = await connect(signal);
        acceptUpgrade(reply, socket, { Upgrade: protocol, ...headers });
        await relay(socket, connection, signal);
      } finally {
        stopListening();
        socket.off('close', gone);
      }
    },
  };
}

/** Takes the connection away from HTTP. */
function acceptUpgrade(reply: FastifyReply, socket: Socket, headers: Record<string, string>): void {
  reply.hijack();
  reply.raw.detachSocket(socket);
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
}
