import { HearthError } from '@hearth/contract';
import { z } from 'zod';
import type { Services } from '../services.ts';
import { checkOrigin } from '../access.ts';
import { errors, noBody } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { vmParamsSchema } from './vms.ts';

export function desktopRfbRoute(app: App, { desktops, config }: Services): void {
  app.route({
    method: 'GET',
    url: '/api/vms/:id/desktop/rfb',
    config: { access: 'public', budget: 'streams', webSocket: true },
    schema: {
      summary: 'Watch and drive a desktop',
      description:
        'A WebSocket that carries RFB 3.8 in binary messages, security type None: the ticket was the proof. It is closed ' +
        'with 4000 + the status of an error and the error’s code as the reason; also where the ticket is refused, since ' +
        'browsers can’t read the answer to a refused upgrade.',
      tags: ['desktop'],
      security: [],
      params: vmParamsSchema,
      // A ticket that is missing is refused like a wrong one.
      querystring: z.strictObject({ ticket: z.string().max(200).default('') }),
      response: { ...errors('forbidden'), 101: noBody('The WebSocket is open') },
    },
    // Before the upgrade: another site's page must not even learn whether a ticket is good.
    preHandler: async (request) => {
      if (request.headers.origin !== undefined) checkOrigin(request, config.controller.publicUrl);
    },
    handler: async () => {
      throw new HearthError('bad_request', 'this address is a WebSocket: the request asks for no upgrade');
    },
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
