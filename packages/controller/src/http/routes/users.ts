import { quotaRequestSchema, userIdSchema, userListSchema, userSchema } from '@hearth/contract';
import { z } from 'zod';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import type { Services } from '../services.ts';

export function userRoutes(app: App, { users }: Services): void {
  app.get(
    '/api/users',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'List users',
        description: 'What each may have at once, and has now. For administrators.',
        tags: ['access'],
        response: { ...errors('unauthenticated', 'forbidden'), 200: answer('The users', userListSchema) },
      },
    },
    async () => ({ users: await users.list() }),
  );

  app.put(
    '/api/users/:id/quota',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Set a user’s quota',
        description:
          'What is left out takes the default of the configuration, `{}` takes all of it back; `null` is no limit but the host’s. ' +
          'What the user has already stays. For administrators.',
        tags: ['access'],
        params: z.strictObject({ id: userIdSchema }),
        body: quotaRequestSchema,
        response: {
          ...errors('unauthenticated', 'forbidden', 'not_found', 'body_too_large', 'unsupported_media_type'),
          200: answer('The user', userSchema),
        },
      },
    },
    async (request) => users.setQuota(request.params.id, request.body),
  );
}
