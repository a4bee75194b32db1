import {
  guestCredentialSchema,
  HearthError,
  keptCredentialSchema,
  parseWith,
  providerIdSchema,
  type ProviderId,
  type VmId,
} from '@hearth/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { VmCredentials } from '../vms/vm-credentials.ts';

export interface CredentialRoutesDeps {
  idOf: (request: FastifyRequest) => VmId;
  /** Throws not_found, vm_not_ready. */
  credentials: (id: VmId) => VmCredentials;
}

/** /v1/vms/:id/credentials/:provider: what passes the control channel. Bodies are never logged. */
export function addCredentialRoutes(app: FastifyInstance, { idOf, credentials }: CredentialRoutesDeps): void {
  const url = '/v1/vms/:id/credentials/:provider';
  const providerOf = (request: FastifyRequest): ProviderId =>
    parseWith(
      providerIdSchema,
      (request.params as { provider?: unknown }).provider,
      'bad_request',
      'provider',
    );

  app.get(url, (request, reply) => credentials(idOf(request)).get(providerOf(request), callerSignal(reply)));
  app.put(url, async (request, reply) => {
    const provider = providerOf(request);
    const credential = parseWith(guestCredentialSchema, request.body, 'bad_request', 'credential');
    if (credential.provider !== provider)
      throw new HearthError('bad_request', `a credential of ${credential.provider} is none of ${provider}`);
    await credentials(idOf(request)).put(credential, callerSignal(reply));
    return reply.code(204).send();
  });
  app.post(`${url}/kept`, async (request, reply) => {
    const kept = parseWith(keptCredentialSchema, request.body, 'bad_request', 'body');
    await credentials(idOf(request)).kept(providerOf(request), kept, callerSignal(reply));
    return reply.code(204).send();
  });
  app.delete(url, (request, reply) =>
    credentials(idOf(request)).drop(providerOf(request), callerSignal(reply)),
  );
}

function callerSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.on('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new HearthError('aborted', 'the caller went away'));
  });
  return gone.signal;
}
