import { whySchema } from '@hearth/contract';
import { z } from 'zod';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { callOf } from '../ready-vm.ts';
import type { Services } from '../services.ts';
import { vmParamsSchema } from './vms.ts';

export function whyRoutes(app: App, services: Services): void {
  app.get(
    '/api/vms/:id/why',
    {
      schema: {
        summary: 'Why can’t I reach this VM?',
        description:
          'Walks all that stands between you and the VM: the record, the process, its disk and console, the control channel, the ' +
          'guest’s own view, the network, the agent, the desktop. `finding` names the first that is broken, with evidence and what ' +
          'to do. A VM that failed is answered from what was found then; `stored=true` asks for that of any VM, also of one that is ' +
          'deleted. Where the host daemon does not answer, that is the finding.',
        tags: ['vms'],
        params: vmParamsSchema,
        querystring: z.strictObject({ stored: z.stringbool().default(false) }),
        response: {
          ...errors('unauthenticated', 'not_found'),
          200: answer('What was found', whySchema),
        },
      },
    },
    async (request, reply) =>
      services.why.ask(request.params.id, request.query.stored, callOf(request, reply, services)),
  );
}
