import {
  createdTokenSchema,
  createTokenSchema,
  signinLinkSchema,
  tokenIdSchema,
  tokenListSchema,
} from '@hearth/contract';
import { z } from 'zod';
import type { Services } from '../services.ts';
import { caller } from '../access.ts';
import { answer, errors, noBody } from '../documentation.ts';
import type { App } from '../fastify.ts';

const adminOnly = ['unauthenticated', 'forbidden'] as const;

export function tokenRoutes(app: App, { access, config }: Services): void {
  app.post(
    '/api/tokens',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Make a token',
        description:
          'For the named user, who is made where the name is new. Only this answer ever holds the token; kept is its hash.',
        tags: ['access'],
        body: createTokenSchema,
        response: {
          ...errors(...adminOnly, 'conflict', 'body_too_large', 'unsupported_media_type'),
          201: answer('The token', createdTokenSchema),
        },
      },
    },
    async (request, reply) => reply.code(201).send(await access.createToken(request.body)),
  );

  app.get(
    '/api/tokens',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'List the tokens',
        description: 'All that were not revoked, newest first; expired ones included.',
        tags: ['access'],
        response: { ...errors(...adminOnly), 200: answer('The tokens', tokenListSchema) },
      },
    },
    async () => ({ tokens: await access.listTokens() }),
  );

  app.delete(
    '/api/tokens/:id',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Revoke a token',
        description: 'It stops to work at once.',
        tags: ['access'],
        params: z.strictObject({ id: tokenIdSchema }),
        response: {
          ...errors(...adminOnly, 'not_found'),
          204: noBody('The token is revoked'),
        },
      },
    },
    async (request, reply) => {
      await access.revokeToken(request.params.id);
      return reply.code(204).send();
    },
  );

  app.post(
    '/api/signin-links',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Make a link that signs a browser in',
        description: 'As the caller, once, within 15 minutes.',
        tags: ['access'],
        response: { ...errors(...adminOnly), 201: answer('The link', signinLinkSchema) },
      },
    },
    async (request, reply) => {
      const { code, expiresAt } = await access.createSigninLink(caller(request));
      const { publicUrl, address, port } = config.controller;
      const host = address === '0.0.0.0' ? '127.0.0.1' : address;
      const url = new URL('/signin', publicUrl ?? `http://${host}:${port}`);
      url.searchParams.set('code', code);
      return reply.code(201).send({ url: url.toString(), expiresAt });
    },
  );
}
