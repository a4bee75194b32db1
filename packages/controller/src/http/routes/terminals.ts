import {
  createTerminalSchema,
  openedTerminalSchema,
  terminalIdSchema,
  terminalListSchema,
  terminalTicketSchema,
  type ErrorCode,
  type RequestId,
} from '@hearth/contract';
import { z } from 'zod';
import { requireReach } from '../../domain/vms/reach.ts';
import { caller } from '../access.ts';
import { answer, errors, noBody } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { ownPagesOnly, ticketSocket } from '../web-sockets.ts';
import { callOf, useVm } from '../ready-vm.ts';
import type { Services } from '../services.ts';
import { wakingErrors } from './commands.ts';
import { creationErrors, vmParamsSchema } from './vms.ts';

const terminalParamsSchema = vmParamsSchema.extend({ terminalId: terminalIdSchema });
const openedListSchema = z.object({ terminals: z.array(openedTerminalSchema) });
const openingErrors: readonly ErrorCode[] = [
  ...wakingErrors,
  'not_a_cli_vm',
  'credential_missing',
  'credential_busy',
  'needs_login',
  'vault_failed',
  'terminal_limit',
  'exec_failed',
];

export function terminalRoutes(app: App, services: Services): void {
  const { vms, cliVms, terminals, config } = services;
  app.post(
    '/api/terminals',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Open a terminal in your CLI VM',
        description:
          'In your own one, which is made at the first need and resumed where it is hibernated: the answer comes once it is ' +
          'ready. What you connected is in it: credentials and API keys. With `provider` that tool runs in place of a shell.',
        tags: ['terminals'],
        body: createTerminalSchema,
        response: {
          ...errors(...new Set([...creationErrors, ...openingErrors])),
          201: answer('The terminal', openedTerminalSchema),
        },
      },
    },
    async (request, reply) => {
      const call = callOf(request, reply, services);
      const vm = await cliVms.ready(call.identity.userId, call);
      const terminal = await terminals.create(vm, request.body, call);
      return reply.code(201).send({ ...terminal, vmId: vm.id });
    },
  );

  app.get(
    '/api/terminals',
    {
      schema: {
        summary: 'List the terminals of your CLI VM',
        description: 'None while it sleeps, and none before there is one.',
        tags: ['terminals'],
        response: {
          ...errors('unauthenticated', 'host_unreachable', 'agent_unreachable'),
          200: answer('The terminals', openedListSchema),
        },
      },
    },
    async (request, reply) => {
      const call = callOf(request, reply, services);
      const own = await cliVms.own(call.identity.userId);
      const vm = own === null ? null : await vms.find(call.identity, own);
      if (vm?.state !== 'ready') return { terminals: [] };
      const list = await terminals.list(vm, call);
      return { terminals: list.map((terminal) => ({ ...terminal, vmId: vm.id })) };
    },
  );

  app.post(
    '/api/vms/:id/terminals',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Open a terminal in a CLI VM',
        description: 'As POST /api/terminals, in that VM.',
        tags: ['terminals'],
        params: vmParamsSchema,
        body: createTerminalSchema,
        response: { ...errors(...openingErrors), 201: answer('The terminal', openedTerminalSchema) },
      },
    },
    async (request, reply) => {
      const { vm } = await useVm(services, request, reply, request.params.id);
      const terminal = await terminals.create(vm, request.body, callOf(request, reply, services));
      return reply.code(201).send({ ...terminal, vmId: vm.id });
    },
  );

  app.get(
    '/api/vms/:id/terminals',
    {
      schema: {
        summary: 'List the terminals of a CLI VM',
        description: 'Ended ones, too, until they are removed or the VM stops. Wakes no VM.',
        tags: ['terminals'],
        params: vmParamsSchema,
        response: {
          ...errors(...wakingErrors, 'not_a_cli_vm'),
          200: answer('The terminals', terminalListSchema),
        },
      },
    },
    async (request, reply) => {
      const vm = await vms.find(caller(request), request.params.id);
      requireReach(vm);
      return { terminals: await terminals.list(vm, callOf(request, reply, services)) };
    },
  );

  app.delete(
    '/api/vms/:id/terminals/:terminalId',
    {
      schema: {
        summary: 'Remove a terminal',
        description: 'What runs in it ends, with all its children.',
        tags: ['terminals'],
        params: terminalParamsSchema,
        response: { ...errors(...wakingErrors, 'not_a_cli_vm'), 204: noBody('It is removed') },
      },
    },
    async (request, reply) => {
      const vm = await vms.find(caller(request), request.params.id);
      requireReach(vm);
      await terminals.remove(vm, request.params.terminalId, callOf(request, reply, services));
      return reply.code(204).send();
    },
  );

  app.post(
    '/api/vms/:id/terminals/:terminalId/ticket',
    {
      schema: {
        summary: 'Make a ticket for a terminal',
        description:
          'Opens one WebSocket (`path` of the answer) to this terminal, once, within 30 seconds, without further proof.',
        tags: ['terminals'],
        params: terminalParamsSchema,
        response: {
          ...errors(...wakingErrors, 'not_a_cli_vm'),
          201: answer('The ticket', terminalTicketSchema),
        },
      },
    },
    async (request, reply) => {
      const identity = caller(request);
      const vm = await vms.find(identity, request.params.id);
      return reply.code(201).send(await terminals.issueTicket(identity, vm, request.params.terminalId));
    },
  );

  app.route({
    method: 'GET',
    url: '/api/vms/:id/terminals/:terminalId/ws',
    config: ticketSocket.config,
    schema: {
      summary: 'Use a terminal',
      description:
        'A WebSocket, subprotocol `hearth-terminal.v1`: binary messages are bytes of the terminal, text messages JSON: ' +
        '`resize` to it; `reset`, `size`, `viewers`, `title` and `exit` from it. It is closed with 4000 + the status of an error ' +
        'and the error’s code as the reason; also where the ticket is refused.',
      tags: ['terminals'],
      ...ticketSocket.schema,
      params: terminalParamsSchema,
    },
    preHandler: ownPagesOnly(config.controller.publicUrl),
    handler: ticketSocket.handler,
    wsHandler: async (socket, request) =>
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- its types show the class as an interface
      terminals.show(socket, {
        vmId: request.params.id,
        terminalId: request.params.terminalId,
        ticket: request.query.ticket,
        requestId: request.id as RequestId,
      }),
  });
}
