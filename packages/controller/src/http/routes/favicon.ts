import type { App } from '../fastify.ts';

/** A flame, so that browsers find the picture that they ask every server for. */
const FLAME =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="#b5501f" d="M16 2c1 6 9 9 9 18a9 9 0 0 1-18 0c0-4 ' +
  '2-6 4-8 0 3 1 4 3 5 0-6-1-10 2-15z"/><path fill="#f2b35d" d="M16 17c3 3 4 5 4 7a4 4 0 0 1-8 0c0-2 2-4 4-7z"/></svg>';

export function faviconRoute(app: App): void {
  app.get('/favicon.ico', { config: { access: 'public' }, schema: { hide: true } }, (_request, reply) =>
    reply.type('image/svg+xml').header('cache-control', 'public, max-age=86400').send(FLAME),
  );
}
