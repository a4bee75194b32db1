import {
  credentialStatusSchema,
  HearthError,
  oauthUrlSchema,
  openUrlSchema,
  pasteCodeSchema,
  signinEventSchema,
  signinIdSchema,
  signinListSchema,
  signinSchema,
  startedSigninSchema,
  startSigninSchema,
  type ErrorCode,
} from '@hearth/contract';
import { z } from 'zod';
import { isOver, toSigninView, type SigninRecord } from '../../domain/signins/signin-record.ts';
import { caller } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import { streamChanges } from '../event-stream.ts';
import type { App } from '../fastify.ts';
import { callOf } from '../ready-vm.ts';
import type { Services } from '../services.ts';
import { creationErrors } from './vms.ts';

const paramsSchema = z.strictObject({ id: signinIdSchema });
const path = (rest = ''): `/api/auth/session/:id${string}` => `/api/auth/session/:id${rest}`;
/** What beginning a sign-in may answer. */
export const startErrors: readonly ErrorCode[] = [...creationErrors, 'conflict', 'vault_failed'];
const actionErrors: readonly ErrorCode[] = [
  ...(['unauthenticated', 'not_found', 'signin_ended', 'signin_not_waiting', 'vm_not_ready'] as const),
  ...(['vm_deleted', 'agent_unreachable', 'agent_not_configured', 'host_unreachable'] as const),
  ...(['deadline_exceeded', 'body_too_large', 'unsupported_media_type'] as const),
];

export const toStarted = (signin: SigninRecord): z.infer<typeof startedSigninSchema> => ({
  success: true,
  ...toSigninView(signin),
});

export function authRoutes(app: App, services: Services): void {
  const { signins, stopping } = services;

  app.post(
    '/api/auth/start',
    {
      schema: {
        summary: 'Sign in to a provider',
        description:
          'Begins a sign-in on the desktop of a browser VM of its own, and answers as soon as that has its address. One sign-in of ' +
          'a person for a provider is under way at a time: the same call again gives that one. Follow it by GET …/events. An ' +
          'API key is an equal choice: POST /api/auth/api-key.',
        tags: ['providers'],
        body: startSigninSchema,
        response: {
          ...errors(...startErrors),
          200: answer('The sign-in that is under way already', startedSigninSchema),
          201: answer('The sign-in', startedSigninSchema),
        },
      },
    },
    async (request, reply) => {
      const { signin, begun } = await signins.start(request.body, callOf(request, reply, services));
      return reply.code(begun ? 201 : 200).send(toStarted(signin));
    },
  );

  app.get(
    '/api/auth/sessions',
    {
      schema: {
        summary: 'List sign-ins',
        description:
          'Your own, newest first, ended ones until their retention ends; an administrator may ask for all.',
        tags: ['providers'],
        querystring: z.strictObject({ all: z.stringbool().default(false) }),
        response: {
          ...errors('unauthenticated', 'forbidden'),
          200: answer('The sign-ins', signinListSchema),
        },
      },
    },
    async (request) => ({
      sessions: (await signins.list(caller(request), request.query.all)).map(toSigninView),
    }),
  );

  app.get(
    path(),
    {
      schema: {
        summary: 'Show a sign-in',
        description: 'From its beginning until its retention ends, whatever became of it.',
        tags: ['providers'],
        params: paramsSchema,
        response: { ...errors('unauthenticated', 'not_found'), 200: answer('The sign-in', signinSchema) },
      },
    },
    async (request) => toSigninView(await signins.find(caller(request), request.params.id)),
  );

  app.get(
    path('/events'),
    {
      config: { budget: 'streams' },
      schema: {
        summary: 'Follow a sign-in',
        description:
          'Server-sent events: `signin` with the whole of it, at once and at every change. Ends with it.',
        tags: ['providers'],
        params: paramsSchema,
        response: {
          ...errors('unauthenticated', 'not_found'),
          200: answer('Events', signinEventSchema, 'text/event-stream'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      let sent = -1;
      return streamChanges<SigninRecord>(reply, stopping, {
        watch: (listener) => signins.watch(id, listener),
        now: () => signins.find(caller(request), id),
        tell: (stream, signin) => {
          if (signin.version <= sent) return;
          sent = signin.version;
          const event = { type: 'signin', signin: toSigninView(signin) } as const;
          stream.send(event satisfies z.infer<typeof signinEventSchema>, sent);
          if (isOver(signin)) stream.end();
        },
      });
    },
  );

  app.get(
    path('/oauth-url'),
    {
      schema: {
        summary: 'The link at which the person signs in',
        description: 'With 202 and without a link while the tool has not given it yet.',
        tags: ['providers'],
        params: paramsSchema,
        response: {
          ...errors('unauthenticated', 'not_found', 'signin_ended', 'signin_not_waiting'),
          200: answer('The link', oauthUrlSchema),
          202: answer('It may still come', oauthUrlSchema),
        },
      },
    },
    async (request, reply) => {
      const signin = await signins.find(caller(request), request.params.id);
      const { sessionId, state, oauthUrl, userCode } = signin;
      if (isOver(signin)) throw new HearthError('signin_ended', `${sessionId} is ${state}`);
      if (state === 'verifying' && oauthUrl === null)
        throw new HearthError('signin_not_waiting', 'the person has signed in already');
      const success = oauthUrl !== null;
      return reply.code(success ? 200 : 202).send({ success, sessionId, state, oauthUrl, userCode });
    },
  );

  app.get(
    path('/credentials/status'),
    {
      schema: {
        summary: 'Is the credential in the vault?',
        description: 'True from the moment at which the sign-in is completed.',
        tags: ['providers'],
        params: paramsSchema,
        response: {
          ...errors('unauthenticated', 'not_found'),
          200: answer('Whether it is', credentialStatusSchema),
        },
      },
    },
    async (request) => {
      const { sessionId, state } = await signins.find(caller(request), request.params.id);
      return { sessionId, state, stored: state === 'completed' };
    },
  );

  app.post(
    path('/open-url'),
    {
      schema: {
        summary: 'Open a link on the desktop',
        description: 'The captured one where none is named; only pages that the provider’s sign-in uses.',
        tags: ['providers'],
        params: paramsSchema,
        body: openUrlSchema,
        response: {
          ...errors(...actionErrors, 'url_not_allowed'),
          200: answer('The sign-in', signinSchema),
        },
      },
    },
    async (request, reply) => {
      const call = callOf(request, reply, services);
      return toSigninView(await signins.openUrl(request.params.id, request.body.url, call));
    },
  );

  app.post(
    path('/paste-code'),
    {
      schema: {
        summary: 'Hand the tool the code that the page showed',
        description:
          'Where the tool refuses it, its own words come with the sign-in, and another one may be given.',
        tags: ['providers'],
        params: paramsSchema,
        body: pasteCodeSchema,
        response: { ...errors(...actionErrors), 200: answer('The sign-in', signinSchema) },
      },
    },
    async (request, reply) => {
      const call = callOf(request, reply, services);
      return toSigninView(await signins.typeCode(request.params.id, request.body, call));
    },
  );

  app.post(
    path('/cancel'),
    {
      schema: {
        summary: 'Cancel a sign-in',
        description:
          'Its VM is deleted. What was connected before stays. One that is over otherwise stays as it is.',
        tags: ['providers'],
        params: paramsSchema,
        response: {
          ...errors(
            'unauthenticated',
            'not_found',
            'signin_ended',
            'body_too_large',
            'unsupported_media_type',
          ),
          200: answer('The sign-in, in state `cancelled`', signinSchema),
        },
      },
    },
    async (request, reply) =>
      toSigninView(await signins.cancel(request.params.id, callOf(request, reply, services))),
  );
}
