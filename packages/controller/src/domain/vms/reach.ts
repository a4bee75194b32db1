import { HearthError } from '@hearth/contract';
import type { VmRecord } from './vm-record.ts';

/** Why one can't reach into a VM now: vm_deleted, or vm_not_ready with its failure where it has one; null where one can. */
function outOfReach(vm: VmRecord): HearthError | null {
  const { id, state, failure } = vm;
  if (state === 'ready') return null;
  if (state === 'deleted' || state === 'deleting')
    return new HearthError('vm_deleted', `${id} is ${state}`, { vmId: id });
  if (failure !== null)
    return new HearthError('vm_not_ready', `${id} failed: ${failure.title}: ${failure.detail}`, {
      vmId: id,
      hint: failure.hint,
    });
  return new HearthError('vm_not_ready', `${id} is ${state}`, { vmId: id });
}

/** Throws the reason why one can't reach into a VM now, where there is one. */
export function requireReach(vm: VmRecord): void {
  const reason = outOfReach(vm);
  if (reason !== null) throw reason;
}

/** Throws not_a_desktop for a VM of a kind that has none. */
export function requireDesktop({ id, kind }: VmRecord): void {
  if (kind !== 'browser') throw new HearthError('not_a_desktop', `${id} is of kind ${kind}`, { vmId: id });
}

/** Why nobody will ever reach into a VM again, as above; null where one can, or may once it has booted. */
export const goneForGood = (vm: VmRecord): HearthError | null =>
  vm.state === 'requested' || vm.state === 'starting' ? null : outOfReach(vm);
