import webSocket from '@fastify/websocket';
import { asHearthError, HearthError } from '@hearth/contract';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { checkOrigin } from './access.ts';
import { errors, noBody } from './documentation.ts';
import type { App } from './fastify.ts';

/** Viewers send keys, pointer moves and clipboards: longest message of theirs. */
const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;

/** Takes WebSockets on the routes that are meant for them. Call before the routes are added. */
export async function acceptWebSockets(app: App): Promise<void> {
  await app.register(webSocket, {
    options: { maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false },
    // `ws` closes the connection itself, with what was wrong; whoever serves it hears of that.
    errorHandler: (error, _socket, request) => {
      request.log.info({ detail: asHearthError(error).detail }, 'a WebSocket failed');
    },
    // Their last words were said while the calls under way were drained.
    preClose(done) {
      for (const client of this.websocketServer.clients) client.terminate();
      this.websocketServer.close(() => done());
    },
  });
  app.addHook('onRequest', async (request) => {
    if (request.ws && request.routeOptions.config.webSocket !== true)
      throw new HearthError('bad_request', 'this address is no WebSocket');
  });
}

/** What the routes have in common that a ticket opens: the parts of their options beside address, words and parameters. */
export const ticketSocket = {
  config: { access: 'public', budget: 'streams', webSocket: true },
  schema: {
    security: [],
    // A ticket that is missing is refused like a wrong one.
    querystring: z.strictObject({ ticket: z.string().max(200).default('') }),
    response: { ...errors('forbidden'), 101: noBody('The WebSocket is open') },
  },
  handler: async (): Promise<never> => {
    throw new HearthError('bad_request', 'this address is a WebSocket: the request asks for no upgrade');
  },
} as const;

/** Before the upgrade: another site's page must not even learn whether a ticket is good. */
export const ownPagesOnly =
  (publicUrl: string | undefined) =>
  async (request: FastifyRequest): Promise<void> => {
    if (request.headers.origin !== undefined) checkOrigin(request, publicUrl);
  };
