import { createSessionSchema, meSchema } from '@hearth/contract';
import type { Services } from '../services.ts';
import { checkOrigin } from '../access.ts';
import { answer, errors, noBody } from '../documentation.ts';
import type { App } from '../fastify.ts';

export function sessionRoutes(
  app: App,
  { access, config }: Services,
  { cookieName, secure }: { cookieName: string; secure: boolean },
): void {
  const { publicUrl } = config.controller;
  const cookie = { path: '/', httpOnly: true, sameSite: 'strict', secure } as const;

  app.post(
    '/api/session',
    {
      config: { access: 'public', budget: 'signins' },
      schema: {
        summary: 'Sign a browser in',
        description:
          'By a token, or by the code of a one-time link, which is spent. Sets the session cookie, which lasts 12 hours.',
        tags: ['access'],
        security: [],
        body: createSessionSchema,
        response: {
          ...errors('unauthenticated', 'forbidden', 'body_too_large', 'unsupported_media_type'),
          200: answer('Signed in as this user', meSchema),
        },
      },
    },
    async (request, reply) => {
      // Another site must not sign our user in as someone else.
      if (request.headers.origin !== undefined) checkOrigin(request, publicUrl);
      const { user, session, maxAgeSeconds } = await access.signIn(request.body);
      return reply
        .setCookie(cookieName, session, { ...cookie, maxAge: maxAgeSeconds })
        .send({ userId: user.id, name: user.name, role: user.role });
    },
  );

  app.delete(
    '/api/session',
    {
      config: { access: 'public' },
      schema: {
        summary: 'Sign this browser out',
        description: 'Ends the sign-in and takes the cookie back; also where the sign-in is over already.',
        tags: ['access'],
        security: [],
        response: { ...errors('forbidden'), 204: noBody('Signed out') },
      },
    },
    async (request, reply) => {
      const session = request.cookies[cookieName];
      if (session !== undefined) {
        checkOrigin(request, publicUrl);
        await access.signOut(session);
      }
      return reply.clearCookie(cookieName, cookie).code(204).send();
    },
  );
}
