import { gzipSync } from 'node:zlib';
import type { WebApp, WebFile } from './web-app.ts';

/** A web application of one page and one script, for tests that need no real one. */
export function makeTestWebApp(): WebApp {
  const file = (path: string, type: string, text: string): WebFile => ({
    path,
    type,
    bytes: Buffer.from(text),
    gzipped: gzipSync(text),
    etag: `"${path}"`,
    immutable: path.startsWith('/assets/'),
  });
  const html = '<!doctype html><title>Hearth</title><script type="module" src="/assets/index-1.js"></script>';
  return {
    index: file('/index.html', 'text/html; charset=utf-8', html),
    files: [
      file('/assets/index-1.js', 'text/javascript; charset=utf-8', `document.title = '${'x'.repeat(2000)}';`),
      file('/robots.txt', 'text/plain', 'User-agent: *\nDisallow: /\n'),
    ],
  };
}
