import type { App } from './fastify.ts';

/** In this scope a body of any type is a stream of bytes, of any length, that nobody parses. */
export function acceptBytes(scope: App): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, payload, done) => {
    done(null, payload);
  });
}
