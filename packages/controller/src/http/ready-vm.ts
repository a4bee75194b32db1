import { HearthError, type VmId } from '@hearth/contract';
import type { Identity } from '../domain/users/identity.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { VmService } from '../vms/vm-service.ts';

/** The VM, if one can reach into it now. Throws vm_deleted or vm_not_ready with its failure where it has one. */
export async function readyVm(vms: VmService, identity: Identity, id: VmId): Promise<VmRecord> {
  const vm = await vms.find(identity, id);
  if (vm.state === 'ready') return vm;
  if (vm.state === 'deleted' || vm.state === 'deleting')
    throw new HearthError('vm_deleted', `${id} is ${vm.state}`, { vmId: id });
  if (vm.failure !== null)
    throw new HearthError('vm_not_ready', `${id} failed: ${vm.failure.title}: ${vm.failure.detail}`, {
      vmId: id,
      hint: vm.failure.hint,
    });
  throw new HearthError('vm_not_ready', `${id} is ${vm.state}`, { vmId: id });
}
