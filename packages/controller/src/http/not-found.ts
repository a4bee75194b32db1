import { HearthError } from '@hearth/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from './fastify.ts';

/**
 * Tells an address that doesn't exist from one that doesn't take the method; `lost` may answer the former otherwise.
 * Call before the routes are added, the returned function after the limits are.
 */
export function answerUnknownRoutes(
  app: App,
  lost: (request: FastifyRequest, reply: FastifyReply) => FastifyReply | null,
): () => void {
  const known = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replace(/:[^/]+/g, '[^/]+').replace(/\/$/, '/?')}$`);
    const entry = known.get(url) ?? { pattern, methods: new Set() };
    known.set(url, entry);
    for (const name of [method].flat()) entry.methods.add(name);
  });
  return () => {
    app.setNotFoundHandler(
      { preHandler: app.rateLimit() },
      async (request: FastifyRequest, reply: FastifyReply) => {
        const path = request.url.split('?')[0] ?? '';
        const methods = [...known.values()]
          .filter(({ pattern }) => pattern.test(path))
          .flatMap((entry) => [...entry.methods]);
        if (methods.length === 0) {
          const page = lost(request, reply);
          if (page !== null) return page;
          throw new HearthError('route_not_found', `${request.method} ${path}`);
        }
        reply.header('allow', [...new Set(methods)].join(', '));
        throw new HearthError(
          'method_not_allowed',
          `${path} takes ${[...new Set(methods)].join(', ')}, not ${request.method}`,
        );
      },
    );
  };
}
