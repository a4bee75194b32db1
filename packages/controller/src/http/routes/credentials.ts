import {
  credentialEventSchema,
  credentialListSchema,
  credentialSchema,
  HearthError,
  providerIdSchema,
  providerInfoSchema,
  providers,
  rotateCredentialSchema,
  Secret,
  startedSigninSchema,
  storeApiKeySchema,
  userIdSchema,
  type Credential,
} from '@hearth/contract';
import { z } from 'zod';
import { caller } from '../access.ts';
import { answer, errors, noBody } from '../documentation.ts';
import { openEventStream } from '../event-stream.ts';
import type { App } from '../fastify.ts';
import { callOf } from '../ready-vm.ts';
import type { Services } from '../services.ts';
import { startErrors, toStarted } from './auth.ts';

const whoseSchema = z.strictObject({ userId: userIdSchema.optional() });
const providerListSchema = z.object({ providers: z.array(providerInfoSchema) });
const forOthers = ['unauthenticated', 'forbidden'] as const;
const bodyErrors = ['body_too_large', 'unsupported_media_type'] as const;

type CredentialEvent = z.infer<typeof credentialEventSchema>;

export function credentialRoutes(app: App, services: Services): void {
  const { credentials, signins, access, stopping } = services;

  app.get(
    '/api/providers',
    {
      schema: {
        summary: 'List the providers',
        description: 'Every tool that can be connected, and the ways to do it, the recommended one first.',
        tags: ['providers'],
        response: { ...errors('unauthenticated'), 200: answer('The providers', providerListSchema) },
      },
    },
    async () => ({
      providers: Object.values(providers).map(({ id, title, vendor, policy, methods, apiKeyVariable }) => ({
        ...{ id, title, vendor, policy, methods: [...methods], apiKeyVariable },
      })),
    }),
  );

  app.get(
    '/api/auth/credentials',
    {
      schema: {
        summary: 'List credentials',
        description:
          'Yours; what is known of them, never the secret. An administrator may name another user.',
        tags: ['providers'],
        querystring: whoseSchema,
        response: { ...errors(...forOthers), 200: answer('The credentials', credentialListSchema) },
      },
    },
    async (request) => {
      const userId = await access.actingFor(caller(request), request.query.userId);
      return { credentials: await credentials.list(userId) };
    },
  );

  app.get(
    '/api/auth/credentials/events',
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Follow your credentials',
        description:
          'Server-sent events: `credential` with each of yours, then `listed`; then `credential` at every change of one, and in ' +
          'state `removed` for the last time.',
        tags: ['providers'],
        response: {
          ...errors('unauthenticated'),
          200: answer('Events', credentialEventSchema, 'text/event-stream'),
        },
      },
    },
    async (request, reply) => {
      const { userId } = caller(request);
      const waiting: Credential[] = [];
      let deliver = (credential: Credential): void => void waiting.push(credential);
      const unwatch = credentials.watch((credential) => {
        if (credential.userId === userId) deliver(credential);
      });
      const stream = openEventStream(reply, stopping, unwatch);
      const send = (credential: Credential): void =>
        stream.send({ type: 'credential', credential } satisfies CredentialEvent);
      try {
        (await credentials.list(userId)).forEach(send);
      } catch (error) {
        stream.abandon();
        throw error;
      }
      stream.send({ type: 'listed' } satisfies CredentialEvent);
      deliver = send;
      waiting.forEach(send);
      return stream.start();
    },
  );

  app.post(
    '/api/auth/api-key',
    {
      schema: {
        summary: 'Connect a provider by an API key',
        description: 'Keeps the key in the vault, in place of what was there. No call ever returns it.',
        tags: ['providers'],
        body: storeApiKeySchema,
        response: {
          ...errors(...forOthers, ...bodyErrors, 'vault_failed', 'disk_full'),
          200: answer('What is known of it', credentialSchema),
        },
      },
    },
    async (request) => {
      const { userId: wanted, provider, apiKey } = request.body;
      const identity = caller(request);
      const userId = await access.actingFor(identity, wanted);
      return credentials.storeApiKey({ userId, provider }, new Secret(apiKey), identity.userId);
    },
  );

  app.post(
    '/api/auth/rotate',
    {
      schema: {
        summary: 'Replace a credential',
        description:
          'Begins a sign-in in place of the present one, which stays until that is completed; with `apiKey` replaces a key at once.',
        tags: ['providers'],
        body: rotateCredentialSchema,
        response: {
          ...errors(...startErrors, 'credential_missing'),
          200: answer(
            'The credential with its new key, or the sign-in that is under way already',
            z.union([startedSigninSchema, credentialSchema]),
          ),
          201: answer('The sign-in', startedSigninSchema),
        },
      },
    },
    async (request, reply) => {
      const { userId: wanted, provider, apiKey } = request.body;
      const call = callOf(request, reply, services);
      const userId = await access.actingFor(call.identity, wanted);
      const present = await credentials.find(userId, provider);
      const { title } = providers[provider];
      if (present === null) throw new HearthError('credential_missing', `${title} is not connected`);
      if ((present.kind === 'api_key') !== (apiKey !== undefined))
        throw new HearthError(
          'conflict',
          present.kind === 'api_key'
            ? `${title} is connected by an API key: give the new one in \`apiKey\``
            : `${title} is connected by a sign-in, which has no API key`,
          { hint: 'To change the way: POST /api/auth/start, or POST /api/auth/api-key.' },
        );
      if (apiKey !== undefined)
        return credentials.storeApiKey({ userId, provider }, new Secret(apiKey), call.identity.userId);
      const { signin, begun } = await signins.start({ userId, provider }, call);
      return reply.code(begun ? 201 : 200).send(toStarted(signin));
    },
  );

  app.delete(
    '/api/auth/credentials/:provider',
    {
      schema: {
        summary: 'Disconnect a provider',
        description:
          'Its secret is gone from the vault at once, and from your VMs as soon as they are reached.',
        tags: ['providers'],
        params: z.strictObject({ provider: providerIdSchema }),
        querystring: whoseSchema,
        response: { ...errors(...forOthers, 'credential_missing'), 204: noBody('It is disconnected') },
      },
    },
    async (request, reply) => {
      const userId = await access.actingFor(caller(request), request.query.userId);
      await credentials.remove({ userId, provider: request.params.provider });
      return reply.code(204).send();
    },
  );
}
