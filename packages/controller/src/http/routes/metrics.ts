import { z } from 'zod';
import { clientSignal } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import type { Services } from '../services.ts';

export function metricsRoute(app: App, { metrics, stopping }: Services): void {
  app.get(
    '/metrics',
    {
      config: { access: 'admin', budget: 'metrics' },
      schema: {
        summary: 'Metrics for Prometheus',
        description:
          'Of the controller and, where it answers, of the host daemon; `hearth_host_up` tells which. For a dashboard see ' +
          '`deploy/grafana/hearth.json`.',
        tags: ['system'],
        response: {
          ...errors('unauthenticated', 'forbidden'),
          200: answer('Prometheus’ text format', z.string(), 'text/plain'),
        },
      },
    },
    async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.text(clientSignal(reply, stopping))),
  );
}
