import { HearthError } from '@hearth/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { WebFile } from '../../web-app.ts';
import type { Services } from '../services.ts';
import { answer, bytesSchema, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { vmParamsSchema } from './vms.ts';

/**
 * Pages run our own scripts and talk to us, and nothing else; they frame nothing and are framed by nobody. Inline styles are
 * allowed: xterm.js colours its cells by style attributes and elements, and has no other way. They reach no other server
 * either, since fonts and pictures come from here alone.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "font-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join(';');
const YEAR_SECONDS = 31_536_000;

/** Addresses that the web application's own router reads. */
const pages = [
  '/',
  '/signin',
  '/connect',
  '/connect/:sessionId',
  '/runs',
  '/runs/:id',
  '/terminal',
  '/terminal/:vmId/:terminalId',
  '/vms',
  '/vms/:id',
  '/vms/:id/desktop',
  '/vms/:id/console',
  '/vms/:id/why',
  '/host',
];
/** The page of a desktop, under the addresses that programs hand out. */
const desktopPages = [
  { url: '/api/vms/:id/desktop', summary: 'The page of a desktop' },
  { url: '/api/auth/session/:id/novnc', summary: 'The page of a sign-in’s desktop' },
];
/** A browser that asks for a page, not for data. */
const wantsPage = ({ method, url, headers }: FastifyRequest): boolean =>
  (method === 'GET' || method === 'HEAD') &&
  !url.startsWith('/api/') &&
  (headers.accept ?? '').includes('text/html');

/** The web application: its page and its files, which hold nobody's data and so are public. */
export function pageRoutes(app: App, { web }: Services): void {
  const config = { access: 'public', budget: 'pages' } as const;
  const sendPage = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    if (web === null)
      throw new HearthError('requirement_missing', 'the pages of Hearth were not built', {
        hint: 'Run `./hearth up`, which builds them.',
      });
    return sendFile(web.index, request, reply.header('content-security-policy', POLICY));
  };

  for (const url of pages) app.get(url, { config, schema: { hide: true } }, sendPage);
  for (const { url, summary } of desktopPages)
    app.get(
      url,
      {
        config,
        schema: {
          summary,
          description:
            'Shows the desktop of the VM with this id to whoever is signed in, or has a ticket for it in the fragment: `#ticket=…`.',
          tags: ['desktop'],
          security: [],
          params: vmParamsSchema,
          response: { ...errors(), 200: answer('The page', bytesSchema, 'text/html') },
        },
      },
      sendPage,
    );
  for (const file of web?.files ?? [])
    if (!app.hasRoute({ method: 'GET', url: file.path }))
      app.get(file.path, { config, schema: { hide: true } }, (request, reply) =>
        sendFile(file, request, reply),
      );
}

/** Gives whoever is lost with a browser the web application, which says so; null where the answer is for a program. */
export function lostPage({
  web,
}: Services): (request: FastifyRequest, reply: FastifyReply) => FastifyReply | null {
  return (request, reply) => {
    if (web === null || !wantsPage(request)) return null;
    return sendFile(web.index, request, reply.code(404).header('content-security-policy', POLICY));
  };
}

function sendFile(file: WebFile, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { type, bytes, gzipped, etag, immutable } = file;
  reply
    .header('cache-control', immutable ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache')
    .header('etag', etag)
    .header('vary', 'accept-encoding');
  if (headers['if-none-match'] === etag && reply.statusCode === 200) return reply.code(304).send();
  reply.type(type);
  const zipped = gzipped !== null && /\bgzip\b/.test(headers['accept-encoding'] ?? '');
  return zipped ? reply.header('content-encoding', 'gzip').send(gzipped) : reply.send(bytes);
}
