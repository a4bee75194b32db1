import { abortReason, type RequestId, type VmId } from '@hearth/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../domain/users/identity.ts';
import { requireDesktop, requireReach } from '../domain/vms/reach.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { VmCall, VmService } from '../vms/vm-service.ts';
import { caller, clientSignal } from './access.ts';
import type { Services } from './services.ts';

/** Who calls, and until when. */
export const callOf = (request: FastifyRequest, reply: FastifyReply, { stopping }: Services): VmCall => ({
  identity: caller(request),
  requestId: request.id as RequestId,
  signal: clientSignal(reply, stopping),
});

/** A VM that a call reaches into. */
export interface UsedVm {
  vm: VmRecord;
  /** Aborted when the client goes away. */
  signal: AbortSignal;
}

/**
 * The VM, which is in use until the answer is complete. A hibernated one is resumed, and waited for. Throws vm_deleted,
 * vm_not_ready with its failure where it has one, and why it was not resumed.
 */
export async function useVm(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  id: VmId,
): Promise<UsedVm> {
  const call = callOf(request, reply, services);
  const vm = await services.vms.findAwake(id, call);
  requireReach(vm);
  return inUse(services, reply, vm, call.signal);
}

/** The same for a VM with a desktop, which is never hibernated. Throws not_a_desktop as well. */
export async function useDesktop(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  id: VmId,
): Promise<UsedVm> {
  const { identity, signal } = callOf(request, reply, services);
  const vm = await readyDesktop(services.vms, identity, id);
  return inUse(services, reply, vm, signal);
}

/** The VM with a desktop, if one can reach into it now. Throws not_a_desktop, and what useVm throws. */
export async function readyDesktop(vms: VmService, identity: Identity, id: VmId): Promise<VmRecord> {
  const vm = await vms.find(identity, id);
  requireDesktop(vm);
  requireReach(vm);
  return vm;
}

function inUse({ activity }: Services, reply: FastifyReply, vm: VmRecord, signal: AbortSignal): UsedVm {
  // Whoever is gone already won't close again, which is what ends the use.
  if (signal.aborted) throw abortReason(signal);
  reply.raw.once('close', activity.begin(vm.id));
  return { vm, signal };
}
