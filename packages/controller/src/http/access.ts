import { HearthError } from '@hearth/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../domain/users/identity.ts';
import type { AccessService } from '../users/access-service.ts';
import type { App } from './fastify.ts';

export interface AccessOptions {
  access: AccessService;
  cookieName: string;
  /** The origin at which the outside reaches us, where it isn't the Host header's. */
  publicUrl: string | undefined;
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Finds out who calls before anything is counted, and turns away whom the route is not for before a byte of the
 * body is read (F40, F41).
 */
export function guardAccess(app: App, { access, cookieName, publicUrl }: AccessOptions): void {
  app.decorateRequest('identity', null);
  app.decorateRequest('identityError', null);
  app.addHook('onRequest', async (request) => {
    try {
      request.identity = await identify(request, access, cookieName);
    } catch (error) {
      // Judged later: a public route answers strangers as well, and a stranger's calls count too.
      if (!(error instanceof HearthError) || error.code !== 'unauthenticated') throw error;
      request.identityError = error;
    }
  });
  app.addHook('preParsing', async (request, _reply, payload) => {
    const { access: needed = 'user' } = request.routeOptions.config;
    if (request.is404 || needed === 'public') return payload;
    const identity = caller(request);
    if (identity.via === 'cookie' && !SAFE_METHODS.has(request.method)) checkOrigin(request, publicUrl);
    if (needed === 'admin' && identity.role !== 'admin')
      throw new HearthError('forbidden', 'only an administrator may do this');
    return payload;
  });
}

/** Who makes this call. Throws unauthenticated where nobody does. */
export function caller(request: FastifyRequest): Identity {
  if (request.identity !== null) return request.identity;
  throw request.identityError ?? new HearthError('unauthenticated', 'the request carries no token');
}

async function identify(
  request: FastifyRequest,
  access: AccessService,
  cookieName: string,
): Promise<Identity | null> {
  const header = request.headers.authorization;
  if (header !== undefined) {
    const token = /^Bearer +([^\s]+)$/i.exec(header)?.[1];
    if (token === undefined)
      throw new HearthError('unauthenticated', 'the Authorization header is not `Bearer <token>`');
    return access.byToken(token);
  }
  const session = request.cookies[cookieName];
  if (session === undefined) return null;
  const identity = await access.bySession(session);
  if (identity === null)
    throw new HearthError('unauthenticated', 'the sign-in of this browser is over', {
      hint: 'Sign in again with a new link (`hearth up` prints one).',
    });
  return identity;
}

/** A browser names the page that asks; only our own pages may change something. */
export function checkOrigin(request: FastifyRequest, publicUrl: string | undefined): void {
  const { origin, host } = request.headers;
  const ours = [`http://${host ?? ''}`, `https://${host ?? ''}`];
  if (publicUrl !== undefined) ours.push(new URL(publicUrl).origin);
  if (origin === undefined || !ours.includes(origin))
    throw new HearthError('forbidden', 'the call does not come from a page of this Hearth', {
      hint: 'Use the pages of this Hearth, or a token instead of the browser’s sign-in.',
    });
}

/** Aborts when the client's connection is gone before the answer is complete, or the controller stops. */
export function clientSignal(reply: FastifyReply, stopping: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const { raw } = reply;
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort(new HearthError('aborted', 'the client went away'));
  });
  return AbortSignal.any([gone.signal, stopping]);
}
