import { HearthError, type UserId, type VmId } from '@hearth/contract';
import { requireReach } from '../vms/reach.ts';
import type { VmRecord } from '../vms/vm-record.ts';

const preference: readonly VmRecord['state'][][] = [
  ['ready'],
  ['requested', 'starting'],
  ['hibernated', 'hibernating'],
];

/** Can a person still work in it, now or once it is up? */
export const isHome = (vm: VmRecord | null, userId: UserId): vm is VmRecord =>
  vm !== null && vm.userId === userId && preference.flat().includes(vm.state);

/** Of a person's VMs the one to make their home: the newest CLI VM, one that is up before one that sleeps (F23). */
export function pickHome(vms: readonly VmRecord[], userId: UserId): VmRecord | null {
  const own = vms
    .filter((vm) => vm.kind === 'cli' && isHome(vm, userId))
    .toSorted((a, b) => b.createdAt.localeCompare(a.createdAt));
  for (const states of preference) {
    const found = own.find(({ state }) => states.includes(state));
    if (found !== undefined) return found;
  }
  return null;
}

/** The VM that a call names. Throws not_found for another's, not_a_cli_vm, vm_deleted. */
export function requireCliVm(vm: VmRecord | null, id: VmId, userId: UserId): VmRecord {
  if (vm?.userId !== userId)
    throw new HearthError('not_found', `there is no VM ${id} of yours`, { vmId: id });
  if (vm.kind !== 'cli') throw new HearthError('not_a_cli_vm', `${id} is of kind ${vm.kind}`, { vmId: id });
  if (vm.state === 'deleting' || vm.state === 'deleted' || vm.state === 'failed') requireReach(vm);
  return vm;
}
