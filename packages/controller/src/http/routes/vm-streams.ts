import { consoleQuerySchema, vmEventSchema } from '@hearth/contract';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { toView, type VmRecord } from '../../domain/vms/vm-record.ts';
import type { Services } from '../services.ts';
import { caller, clientSignal } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { vmParamsSchema } from './vms.ts';

/** Keeps proxies from ending a quiet stream. */
const HEARTBEAT_MS = 15_000;
/** A reader that lets this much pile up has gone to sleep. */
const MAX_BACKLOG_BYTES = 1024 * 1024;

export function vmStreamRoutes(app: App, { vms, host, stopping }: Services): void {
  app.get(
    '/api/vms/:id/events',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Follow a VM',
        description:
          'Server-sent events: `vm` with the whole VM, at once and at every change. Ends when the VM is deleted.',
        tags: ['vms'],
        params: vmParamsSchema,
        response: {
          ...errors('unauthenticated', 'not_found'),
          200: answer('Events', vmEventSchema, 'text/event-stream'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const identity = caller(request);
      const stream = new Readable({ read: () => undefined });
      let sent = -1;
      let ended = false;
      const end = (): void => {
        if (ended) return;
        ended = true;
        stream.push(null);
      };
      const send = (vm: VmRecord | null): void => {
        if (ended || (vm !== null && vm.version <= sent)) return;
        if (vm === null) {
          end();
          return;
        }
        sent = vm.version;
        const event: z.infer<typeof vmEventSchema> = { type: 'vm', vm: toView(vm) };
        stream.push(`id: ${vm.version}\nevent: vm\ndata: ${JSON.stringify(event)}\n\n`);
        if (vm.state === 'deleted') end();
      };
      // Watching begins before reading, so that no change falls between.
      const waiting: (VmRecord | null)[] = [];
      let deliver = (vm: VmRecord | null): void => {
        waiting.push(vm);
      };
      const unsubscribe = vms.watch(id, (vm) => deliver(vm));
      const signal = clientSignal(reply, stopping);
      const heartbeat = setInterval(() => {
        if (stream.readableLength > MAX_BACKLOG_BYTES) stream.destroy();
        else if (!ended) stream.push(': beat\n\n');
      }, HEARTBEAT_MS);
      stream.once('close', () => {
        unsubscribe();
        clearInterval(heartbeat);
      });
      signal.addEventListener('abort', end, { once: true });
      try {
        send(await vms.find(identity, id));
      } catch (error) {
        stream.destroy();
        throw error;
      }
      deliver = send;
      waiting.forEach(send);
      return reply
        .type('text/event-stream')
        .header('x-accel-buffering', 'no')
        .send(stream as never);
    },
  );

  app.get(
    '/api/vms/:id/console',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Read the serial console of a VM',
        description:
          'From its first byte; `follow` goes on as it grows, `timestamps` puts the time before each line. ' +
          'Stays readable after the VM is deleted, until its retention ends.',
        tags: ['vms'],
        params: vmParamsSchema,
        querystring: consoleQuerySchema,
        response: {
          ...errors('unauthenticated', 'not_found', 'host_unreachable'),
          200: answer('The console', z.string(), 'text/plain'),
        },
      },
    },
    async (request, reply) => {
      const vm = await vms.find(caller(request), request.params.id);
      const { follow, timestamps } = request.query;
      const { body } = await host.pass(
        {
          method: 'GET',
          vmId: vm.id,
          path: 'console',
          query: { follow: String(follow), timestamps: String(timestamps) },
        },
        { signal: clientSignal(reply, stopping), requestId: request.id },
      );
      return reply.type('text/plain; charset=utf-8').send(body as never);
    },
  );
}
