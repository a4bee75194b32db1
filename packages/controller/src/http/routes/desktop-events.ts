import { desktopEventSchema, type DesktopEvent } from '@hearth/contract';
import { goneForGood, requireDesktop } from '../../domain/vms/reach.ts';
import type { Services } from '../services.ts';
import { caller } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import { openEventStream } from '../event-stream.ts';
import type { App } from '../fastify.ts';
import { vmParamsSchema } from './vms.ts';

export function desktopEventRoute(app: App, { vms, desktops, stopping }: Services): void {
  app.get(
    '/api/vms/:id/desktop/events',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Follow who watches a desktop',
        description:
          'Server-sent events: `desktop` with its viewers and whoever has the control, at once and at every change; `notice` ' +
          'where something that a viewer sent was not passed on. Ends when the VM does.',
        tags: ['desktop'],
        params: vmParamsSchema,
        response: {
          ...errors('unauthenticated', 'not_found', 'not_a_desktop', 'vm_deleted', 'vm_not_ready'),
          200: answer('Events', desktopEventSchema, 'text/event-stream'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const identity = caller(request);
      const vm = await vms.find(identity, id);
      requireDesktop(vm);
      const reason = goneForGood(vm);
      if (reason !== null) throw reason;
      const unsubscribe = desktops.watch(id, (event) => {
        if (event === null) stream.end();
        else stream.send(event);
      });
      const stream = openEventStream(reply, stopping, unsubscribe);
      stream.send({ type: 'desktop', desktop: desktops.state(id) } satisfies DesktopEvent);
      return stream.start();
    },
  );
}
