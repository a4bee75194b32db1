import {
  consoleQuerySchema,
  vmEventSchema,
  vmListEventSchema,
  type VmId,
  type VmListEvent,
} from '@hearth/contract';
import { z } from 'zod';
import { toView, type VmRecord } from '../../domain/vms/vm-record.ts';
import type { Services } from '../services.ts';
import { caller, clientSignal } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import { openEventStream, streamChanges } from '../event-stream.ts';
import type { App } from '../fastify.ts';
import { vmParamsSchema } from './vms.ts';

export function vmStreamRoutes(app: App, { vms, host, stopping }: Services): void {
  app.get(
    '/api/vms/events',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Follow your VMs',
        description:
          'Server-sent events: `vm` with each VM of yours that is not deleted, then `listed`; then `vm` at every change ' +
          'of one, up to its state `deleted`, and for every new one.',
        tags: ['vms'],
        response: {
          ...errors('unauthenticated'),
          200: answer('Events', vmListEventSchema, 'text/event-stream'),
        },
      },
    },
    async (request, reply) => {
      const identity = caller(request);
      /** As they were told. */
      const told = new Map<VmId, VmRecord>();
      const waiting: (() => void)[] = [];
      let listed = false;
      const unsubscribe = vms.watchAll((id, vm) => {
        if (vm !== null && vm.userId !== identity.userId) return;
        const tell = (): void => (vm === null ? takeBack(id) : send(vm));
        if (listed) tell();
        else waiting.push(tell);
      });
      const stream = openEventStream(reply, stopping, unsubscribe);
      const send = (vm: VmRecord): void => {
        if (vm.version <= (told.get(vm.id)?.version ?? -1)) return;
        if (vm.state === 'deleted') told.delete(vm.id);
        else told.set(vm.id, vm);
        stream.send({ type: 'vm', vm: toView(vm) } satisfies VmListEvent);
      };
      /** The host refused it, so its record is gone; for whoever saw it, it ends like any other. */
      const takeBack = (id: VmId): void => {
        const vm = told.get(id);
        if (vm !== undefined) send({ ...vm, state: 'deleted', version: vm.version + 1 });
      };
      try {
        const list = await vms.list(identity, false);
        list.filter(({ state }) => state !== 'deleted').forEach(send);
      } catch (error) {
        stream.abandon();
        throw error;
      }
      stream.send({ type: 'listed' } satisfies VmListEvent);
      listed = true;
      for (const tell of waiting) tell();
      return stream.start();
    },
  );

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
      let sent = -1;
      return streamChanges<VmRecord | null>(reply, stopping, {
        watch: (listener) => vms.watch(id, listener),
        now: () => vms.find(identity, id),
        tell: (stream, vm) => {
          if (vm !== null && vm.version <= sent) return;
          if (vm !== null) {
            sent = vm.version;
            stream.send({ type: 'vm', vm: toView(vm) } satisfies z.infer<typeof vmEventSchema>, vm.version);
          }
          if (vm === null || vm.state === 'deleted') stream.end();
        },
      });
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
