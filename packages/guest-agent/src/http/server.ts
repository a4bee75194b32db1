import { asHearthError, HearthError, toProblem, type Log } from '@hearth/contract';
import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { requestId, sendProblem } from './answer.ts';
import type { Route } from './context.ts';

export interface HttpServerOptions {
  routes: Route[];
  /** Throws where the caller may not speak to the agent. */
  authorize: (request: IncomingMessage) => void;
  log: Log;
}

const POLLED = ['/health'];
/** Characters; a path of ours is never as long. */
const MAX_LOGGED_PATH = 200;

/** The agent's HTTP server, not listening yet. */
export function createHttpServer({ routes, authorize, log }: HttpServerOptions): Server {
  /** @param socket of a request that asks for another protocol */
  const handle = async (
    request: IncomingMessage,
    response: ServerResponse,
    socket?: Socket,
  ): Promise<void> => {
    logAtEnd(request, response, socket, log);
    try {
      authorize(request);
      const { pathname, searchParams } = parseUrl(request.url ?? '/');
      const fitting = routes.filter(({ path }) => path.test(pathname));
      const route = fitting.find(({ method }) => method === request.method);
      if (route === undefined) {
        if (fitting.length === 0) throw new HearthError('route_not_found', `${pathname} is not served here`);
        response.setHeader('allow', fitting.map(({ method }) => method).join(', '));
        throw new HearthError(
          'method_not_allowed',
          `${pathname} does not take ${request.method ?? 'this method'}`,
        );
      }
      const params = route.path.exec(pathname)?.slice(1) ?? [];
      const upgrade = (protocol: string): Duplex => {
        if (socket === undefined || request.headers.upgrade?.toLowerCase() !== protocol)
          throw new HearthError('bad_request', `${pathname} is opened with \`Upgrade: ${protocol}\``);
        return acceptUpgrade(response, socket, protocol);
      };
      await route.handle({ request, response, query: searchParams, params, upgrade });
    } catch (error) {
      const known = asHearthError(error);
      if (known.code === 'internal')
        log('request failed', { method: request.method, error: known.detail, requestId: requestId(request) });
      sendProblem(request, response, known);
    }
  };
  const server = createServer(
    {
      // A command's input may come for hours: only the head of a request has a deadline here, JSON bodies have one in body.ts.
      requestTimeout: 0,
      headersTimeout: 10_000,
      connectionsCheckingInterval: 5000,
      keepAliveTimeout: 30_000,
      // A peer that vanished without a word is found out.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
    },
    (request, response) => void handle(request, response),
  );
  // Node answers no request that asks for an upgrade; so such a one goes through the same routes as all others.
  server.on('upgrade', (request: IncomingMessage, socket, head: Buffer) => {
    // Types know any stream here; a server of ours has sockets only.
    if (!(socket instanceof Socket)) throw new TypeError('an upgrade without a socket');
    socket.on('error', () => socket.destroy());
    if (head.length > 0) socket.unshift(head);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => socket.end());
    void handle(request, response, socket);
  });
  server.on('clientError', refuseGarbage);
  return server;
}

/** One line for each request, once it is over; what is asked again and again is left out. */
function logAtEnd(
  request: IncomingMessage,
  response: ServerResponse,
  socket: Socket | undefined,
  log: Log,
): void {
  const path = (request.url ?? '').replace(/[?#].*$/s, '').slice(0, MAX_LOGGED_PATH);
  if (POLLED.includes(path)) return;
  const startedMs = performance.now();
  // A connection that another protocol took over lives longer than its response.
  (socket ?? response).once('close', () => {
    log('request', {
      requestId: requestId(request),
      method: request.method,
      path,
      // The peer went away before the whole answer.
      ...(socket === undefined && !response.writableFinished ? { cutOff: true } : {}),
      status: response.headersSent || response.statusCode === 101 ? response.statusCode : null,
      durationMs: Math.round(performance.now() - startedMs),
    });
  });
}

function parseUrl(url: string): URL {
  try {
    return new URL(`http://agent${url.startsWith('/') ? url : `/${url}`}`);
  } catch (cause) {
    throw new HearthError('bad_request', 'the address of the request is malformed', { cause });
  }
}

function acceptUpgrade(response: ServerResponse, socket: Socket, protocol: string): Duplex {
  response.detachSocket(socket);
  response.statusCode = 101;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${protocol}\r\n\r\n`);
  return socket;
}

/** What isn't HTTP gets a problem as well. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(
    toProblem(new HearthError('bad_request', `not a readable HTTP request (${error.code ?? error.message})`)),
  );
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
