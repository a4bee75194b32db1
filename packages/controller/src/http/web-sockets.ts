import webSocket from '@fastify/websocket';
import { asHearthError, HearthError } from '@hearth/contract';
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
