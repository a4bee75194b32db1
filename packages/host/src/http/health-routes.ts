import { hostRestartVmSchema, parseWith, type VmId } from '@hearth/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { VmHost } from '../vms/vm-host.ts';

/** Why a VM can't be reached, and its restart (contract/host-api.ts). */
export function addHealthRoutes(
  app: FastifyInstance,
  { idOf, vms }: { idOf: (request: FastifyRequest) => VmId; vms: VmHost },
): void {
  app.get('/v1/vms/:id/why', async (request, reply) => {
    const gone = new AbortController();
    reply.raw.on('close', () => gone.abort());
    const { stored } = request.query as { stored?: string };
    return vms.why(idOf(request), { stored: stored === 'true' }, gone.signal);
  });
  app.post('/v1/vms/:id/restart', async (request, reply) => {
    const wanted = parseWith(hostRestartVmSchema, request.body, 'bad_request', 'restart');
    return reply.code(202).send(await vms.restart(idOf(request), wanted));
  });
}
