import type { VmId } from '@hearth/contract';
import type { Identity } from '../domain/users/identity.ts';
import { requireDesktop, requireReach } from '../domain/vms/reach.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { VmService } from '../vms/vm-service.ts';

/** The VM, if one can reach into it now. Throws vm_deleted or vm_not_ready with its failure where it has one. */
export async function readyVm(vms: VmService, identity: Identity, id: VmId): Promise<VmRecord> {
  const vm = await vms.find(identity, id);
  requireReach(vm);
  return vm;
}

/** The same for a VM with a desktop. Throws not_a_desktop as well. */
export async function readyDesktop(vms: VmService, identity: Identity, id: VmId): Promise<VmRecord> {
  const vm = await vms.find(identity, id);
  requireDesktop(vm);
  requireReach(vm);
  return vm;
}
