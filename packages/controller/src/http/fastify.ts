import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { HearthError } from '@hearth/contract';
import type { Identity } from '../domain/users/identity.ts';
import type { Budget } from './rate-limits.ts';

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call; any user where left out, so that a forgotten line locks and doesn't open. */
    access?: 'public' | 'user' | 'admin';
    /** Which allowance of requests a call counts against. */
    budget?: Budget;
    /** Takes WebSockets. */
    webSocket?: true;
  }
  interface FastifyRequest {
    /** Set before the route runs, where the route isn't public. */
    identity: Identity | null;
    /** Why there is no identity. */
    identityError: HearthError | null;
  }
}
