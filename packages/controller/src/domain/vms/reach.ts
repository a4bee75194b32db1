import { HearthError, hintFor } from '@hearth/contract';
import { isComingBack, type VmRecord } from './vm-record.ts';

/**
 * Why one can't reach into a VM now: vm_deleted, vm_hibernated, or vm_not_ready with its failure where it has one; null where
 * one can. Nobody reaches into a VM that will be somebody's: a warm one.
 */
function outOfReach(vm: VmRecord): HearthError | null {
  const { id, state, failure, userId } = vm;
  if (userId === null && state !== 'deleted' && state !== 'deleting')
    return new HearthError('vm_not_ready', `${id} waits in the warm pool`, {
      vmId: id,
      hint: 'Create a VM.',
    });
  if (state === 'ready') return null;
  if (state === 'hibernated' || state === 'hibernating')
    return new HearthError('vm_hibernated', `${id} is ${state}`, { vmId: id });
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

/**
 * Throws vm_not_ready, with what `why` found, for a VM that stopped answering: nothing new is begun in it. One still reaches into
 * it for files and commands, as far as it lets one.
 */
export function requireHealthy({ id, finding }: VmRecord): void {
  if (finding === null) return;
  throw new HearthError('vm_not_ready', `${id} does not answer: ${finding.title}: ${finding.detail}`, {
    vmId: id,
    hint: hintFor(finding.hint, id),
  });
}

/** Throws conflict where a VM is not one that can be restarted now; vm_deleted and the like where it is not there. */
export function requireRestartable(vm: VmRecord): void {
  const { id, kind, userId, state } = vm;
  if (kind !== 'cli' || userId === null)
    throw new HearthError('conflict', `${id} is ${userId === null ? 'a warm VM' : `of kind ${kind}`}`, {
      vmId: id,
      hint: 'Only CLI VMs can be restarted: delete it and create another.',
    });
  if (state === 'ready') return;
  if (state === 'deleting' || state === 'deleted') requireReach(vm);
  throw new HearthError('conflict', `${id} is ${state}`, {
    vmId: id,
    hint: 'Only a VM that is `ready` can be restarted.',
  });
}

/** Throws not_a_desktop for a VM of a kind that has none. */
export function requireDesktop({ id, kind }: VmRecord): void {
  if (kind !== 'browser') throw new HearthError('not_a_desktop', `${id} is of kind ${kind}`, { vmId: id });
}

/** Why nobody will ever reach into a VM again, as above; null where one can, or may once it has booted. */
export const goneForGood = (vm: VmRecord): HearthError | null =>
  vm.state === 'requested' || vm.state === 'starting' ? null : outOfReach(vm);

/** Would a resumption bring one into a VM, or is it on its way back? */
export const isAsleep = (vm: VmRecord): boolean =>
  vm.state === 'hibernated' || vm.state === 'hibernating' || isComingBack(vm);

/** Why the way back of a VM that was waited for did not lead into it. */
export function notResumed(vm: VmRecord): HearthError | null {
  const { id, state, failure } = vm;
  if (state === 'ready') return null;
  if (state === 'hibernated' && failure !== null)
    return new HearthError(failure.code, `${id} was not resumed: ${failure.detail}`, {
      vmId: id,
      hint: failure.hint,
    });
  if (isComingBack(vm))
    return new HearthError('deadline_exceeded', `${id} is still coming back`, { vmId: id });
  return outOfReach(vm);
}

/** Throws not_hibernatable where a VM is not one that can be hibernated, in whatever state it is; vm_deleted where it is gone. */
export function requireHibernatable(vm: VmRecord): void {
  const { id, kind, userId, state } = vm;
  const reason = kind !== 'cli' ? `it is of kind ${kind}` : userId === null ? 'it is a warm VM' : null;
  if (reason !== null) throw new HearthError('not_hibernatable', `${id}: ${reason}`, { vmId: id });
  if (state === 'deleting' || state === 'deleted') requireReach(vm);
}
