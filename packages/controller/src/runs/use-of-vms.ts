import type { ProviderId, RunId, VmId } from '@hearth/contract';
import type { Activity } from '../vms/activity.ts';

/** Which VMs runs are in now, with whose credential. */
export interface UseOfVms {
  /** The run uses the VM from now on, until what this gives is called: it is not hibernated, and its credential not taken. */
  begin(id: RunId, vmId: VmId, provider: ProviderId): () => void;
  uses: (vmId: VmId, provider: ProviderId) => boolean;
}

export function createUseOfVms(activity: Pick<Activity, 'begin'>): UseOfVms {
  const users = new Map<RunId, { vmId: VmId; provider: ProviderId }>();
  return {
    begin: (id, vmId, provider) => {
      const use = { vmId, provider };
      const release = activity.begin(vmId);
      users.set(id, use);
      return () => {
        release();
        if (users.get(id) === use) users.delete(id);
      };
    },
    uses: (vmId, provider) =>
      [...users.values()].some((use) => use.vmId === vmId && use.provider === provider),
  };
}
