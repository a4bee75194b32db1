import type { Services } from '../services.ts';
import type { App } from '../fastify.ts';
import { ownPagesOnly, ticketSocket } from '../web-sockets.ts';
import { vmParamsSchema } from './vms.ts';

export function desktopRfbRoute(app: App, { desktops, config }: Services): void {
  app.route({
    method: 'GET',
    url: '/api/vms/:id/desktop/rfb',
    config: ticketSocket.config,
    schema: {
      summary: 'Watch and drive a desktop',
      description:
        'A WebSocket that carries RFB 3.8 in binary messages, security type None: the ticket was the proof. It is closed ' +
        'with 4000 + the status of an error and the error’s code as the reason; also where the ticket is refused, since ' +
        'browsers can’t read the answer to a refused upgrade.',
      tags: ['desktop'],
      ...ticketSocket.schema,
      params: vmParamsSchema,
    },
    preHandler: ownPagesOnly(config.controller.publicUrl),
    handler: ticketSocket.handler,
    wsHandler: async (socket, request) =>
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- its types show the class as an interface
      desktops.show(socket, {
        vmId: request.params.id,
        ticket: request.query.ticket,
        address: request.ip,
        proxied: 'x-forwarded-for' in request.headers || 'forwarded' in request.headers,
        requestId: request.id,
      }),
  });
}
