import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Services } from '../services.ts';
import { checkOrigin } from '../access.ts';
import { answer, errors, noBody } from '../documentation.ts';
import type { App } from '../fastify.ts';

const codeSchema = z.strictObject({
  code: z.string().regex(/^[A-Za-z0-9_-]{16,128}$/, 'is not the code of a sign-in link'),
});

const STYLE =
  'body{font:18px/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem;color:#222;background:#faf8f5}' +
  'button{font:inherit;padding:.6em 1.4em;border:0;border-radius:.4em;background:#b4501e;color:#fff;cursor:pointer}' +
  '@media(prefers-color-scheme:dark){body{color:#eee;background:#1b1917}}';
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join(';');

const page = (body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
  `<meta name="robots" content="noindex"><title>Hearth</title><style>${STYLE}</style></head><body>${body}</body></html>`;

const htmlSchema = z.string();

export function signinRoutes(
  app: App,
  { access, config }: Services,
  { cookieName, secure }: { cookieName: string; secure: boolean },
): void {
  app.register(async (scope: App) => {
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: 4096 },
      async (_request: unknown, body: string | Buffer) =>
        Object.fromEntries(new URLSearchParams(body.toString())),
    );

    scope.get(
      '/signin',
      {
        config: { access: 'public' },
        schema: {
          summary: 'The page of a sign-in link',
          description: 'Shows a button, so that a preview of the link does not spend its code.',
          tags: ['access'],
          security: [],
          querystring: codeSchema,
          response: { ...errors(), 200: answer('The page', htmlSchema, 'text/html') },
        },
      },
      async (request, reply) =>
        reply
          .type('text/html; charset=utf-8')
          .header('content-security-policy', POLICY)
          .send(
            page(
              '<h1>Hearth</h1><p>Sign this browser in?</p><form method="post" action="/signin">' +
                `<input type="hidden" name="code" value="${request.query.code}"><button autofocus>Sign in</button></form>`,
            ),
          ),
    );

    scope.post(
      '/signin',
      {
        config: { access: 'public' },
        schema: {
          summary: 'Sign a browser in',
          description: 'Spends the code of a link and sets the session cookie, which lasts 12 hours.',
          tags: ['access'],
          security: [],
          consumes: ['application/x-www-form-urlencoded'],
          body: codeSchema,
          response: {
            ...errors('forbidden', 'body_too_large', 'unsupported_media_type'),
            303: noBody('Signed in; goes on to /api/docs'),
            401: answer('The link was used or has expired', htmlSchema, 'text/html'),
          },
        },
      },
      async (request, reply) => {
        // Another site must not sign our user in as someone else.
        if (request.headers.origin !== undefined) checkOrigin(request, config.controller.publicUrl);
        const signedIn = await access.signIn(request.body.code);
        if (signedIn === null)
          return reply
            .code(401)
            .type('text/html; charset=utf-8')
            .header('content-security-policy', POLICY)
            .send(
              page(
                '<h1>This link is spent</h1><p>It was used already, or it is older than 15 minutes. ' +
                  '<code>hearth link</code> prints a new one.</p>',
              ),
            );
        return reply
          .setCookie(cookieName, signedIn.session, {
            path: '/',
            httpOnly: true,
            sameSite: 'strict',
            secure,
            maxAge: signedIn.maxAgeSeconds,
          })
          .redirect('/api/docs', 303);
      },
    );
  });
}
