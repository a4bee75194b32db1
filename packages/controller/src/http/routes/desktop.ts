import {
  controlActionSchema,
  createTicketSchema,
  desktopStateSchema,
  screenshotQuerySchema,
  ticketSchema,
  type ErrorCode,
} from '@hearth/contract';
import type { Services } from '../services.ts';
import { caller, clientSignal } from '../access.ts';
import { answer, bytesSchema, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { readyDesktop } from '../ready-vm.ts';
import { vmParamsSchema } from './vms.ts';

/** What any call for a desktop may answer. */
const desktopErrors: readonly ErrorCode[] = [
  'unauthenticated',
  'not_found',
  'not_a_desktop',
  'vm_not_ready',
  'vm_deleted',
];

export function desktopRoutes(app: App, services: Services): void {
  const { vms, activity, desktops, screenshots, stopping } = services;
  app.post(
    '/api/vms/:id/desktop/ticket',
    {
      schema: {
        summary: 'Make a ticket for a desktop',
        description:
          'Opens one WebSocket (`path` of the answer) to this VM’s desktop, once, within 30 seconds, without further ' +
          'proof. In mode `view` the server passes nothing on that would change something. With the `viewerId` of an ' +
          'earlier ticket a viewer takes up its place again, and the control that it had.',
        tags: ['desktop'],
        params: vmParamsSchema,
        body: createTicketSchema,
        response: {
          ...errors(...desktopErrors, 'forbidden', 'body_too_large', 'unsupported_media_type'),
          201: answer('The ticket', ticketSchema),
        },
      },
    },
    async (request, reply) => {
      const identity = caller(request);
      const vm = await readyDesktop(vms, identity, request.params.id);
      const ticket = await desktops.issueTicket(identity, vm, request.body);
      activity.touch(vm.id);
      return reply.code(201).send(ticket);
    },
  );

  app.post(
    '/api/vms/:id/desktop/control',
    {
      schema: {
        summary: 'Hand the control of a desktop over',
        description:
          'For a viewer of yours: `ask` for the control, `take` it at once (the VM’s owner and administrators, and ' +
          'anybody where nobody has it), `release` it, `give` it to another viewer, or `decline` a request. Changes come ' +
          'with GET /api/vms/{id}/desktop/events.',
        tags: ['desktop'],
        params: vmParamsSchema,
        body: controlActionSchema,
        response: {
          ...errors(...desktopErrors, 'forbidden', 'conflict', 'body_too_large', 'unsupported_media_type'),
          200: answer('Who watches and who drives now', desktopStateSchema),
        },
      },
    },
    async (request) => {
      const identity = caller(request);
      const vm = await readyDesktop(vms, identity, request.params.id);
      return desktops.act(identity, vm, request.body);
    },
  );

  app.get(
    '/api/vms/:id/desktop/screenshot.png',
    {
      config: { budget: 'pictures' },
      schema: {
        summary: 'Take a picture of a desktop',
        description:
          'As it is now, or was 2 seconds ago at most. `width` makes the picture smaller; the height follows.',
        tags: ['desktop'],
        params: vmParamsSchema,
        querystring: screenshotQuerySchema,
        response: {
          ...errors(
            ...desktopErrors,
            'desktop_unreachable',
            'desktop_ended',
            'desktop_garbled',
            'host_unreachable',
            'deadline_exceeded',
          ),
          200: answer('The picture', bytesSchema, 'image/png'),
        },
      },
    },
    async (request, reply) => {
      const vm = await readyDesktop(vms, caller(request), request.params.id);
      const png = await screenshots.take(vm.id, request.query.width, clientSignal(reply, stopping));
      return reply.type('image/png').send(png);
    },
  );
}
