import { HearthError, type VmId } from '@hearth/contract';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { VmStore } from '../store/vms.ts';
import type { VmChanges } from './vm-changes.ts';

/** Compare-and-set loses only against another change of the same VM; there are few. */
const MAX_TRIES = 20;

/** The VMs' records, and the one way in which they change. */
export interface VmBook {
  store: VmStore;
  changes: VmChanges;
  /**
   * Applies a change to the newest record, again where another one came between, and tells the watchers.
   * `change` gives null where there is nothing to change. Gives null where there is no such VM. `save`: how it is written.
   */
  change(
    id: VmId,
    change: (vm: VmRecord) => VmRecord | null,
    save?: VmStore['update'],
  ): Promise<VmRecord | null>;
}

export function createVmBook(store: VmStore, changes: VmChanges): VmBook {
  return {
    store,
    changes,
    change: async (id, change, save = (vm, expectedVersion) => store.update(vm, expectedVersion)) => {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const vm = await store.get(id);
        if (vm === null) return null;
        const next = change(vm);
        if (next === null) return vm;
        if (await save(next, vm.version)) {
          changes.publish(id, next);
          return next;
        }
      }
      throw new HearthError('conflict', `${id} changes too often`, { vmId: id });
    },
  };
}
