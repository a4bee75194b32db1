import { healthSchema, meSchema } from '@hearth/contract';
import type { Services } from '../services.ts';
import { caller } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';

export function systemRoutes(app: App, { health }: Services): void {
  app.get(
    '/health',
    {
      config: { access: 'public', budget: 'health' },
      exposeHeadRoute: true,
      schema: {
        summary: 'Is the house in order?',
        description:
          'Computed from checks made now: the database, the host daemon, and the host’s own checks (bridge, dnsmasq, ' +
          'firewall, disk, image). Needs no token. `503` with the same body where a check fails.',
        tags: ['system'],
        security: [],
        response: {
          ...errors(),
          200: answer('Every check passed', healthSchema),
          503: answer('`degraded`: a check failed', healthSchema),
        },
      },
    },
    async (_request, reply) => {
      const report = await health();
      return reply.code(report.status === 'ok' ? 200 : 503).send(report);
    },
  );

  app.get(
    '/api/me',
    {
      schema: {
        summary: 'Who am I?',
        description: 'The user whose token or sign-in this call carries.',
        tags: ['access'],
        response: { ...errors('unauthenticated'), 200: answer('The caller', meSchema) },
      },
    },
    async (request) => {
      const { userId, name, role } = caller(request);
      return { userId, name, role };
    },
  );
}
