import type { Vm, VmListEvent } from '@hearth/contract';

/** What is known of the VMs; `listed`: a whole list was told at least once. */
export interface VmList {
  vms: readonly Vm[];
  listed: boolean;
}

export const emptyVmList: VmList = { vms: [], listed: false };

/** Puts a VM's news in its place, unless something newer is there already. Newest VM first; a warm one is nobody's yet. */
export function withVm(list: readonly Vm[], vm: Vm): readonly Vm[] {
  const known = list.find(({ id }) => id === vm.id);
  if (known !== undefined && known.version > vm.version) return list;
  const others = list.filter(({ id }) => id !== vm.id);
  if (vm.state === 'deleted' || vm.userId === null) return others;
  return [...others, vm].sort((a, b) => b.createdAt.localeCompare(a.createdAt) || a.id.localeCompare(b.id));
}

/**
 * Keeps the list along a stream that may break off and begin again: what was known stays until the new stream has told
 * all; what it didn't tell is gone then.
 */
export function makeVmListFollower(onChange: (change: (list: VmList) => VmList) => void): {
  opened: () => void;
  take: (event: VmListEvent) => void;
} {
  let told: Set<string> | null = null;
  return {
    opened: () => (told = new Set()),
    take: (event) => {
      if (event.type === 'vm') {
        told?.add(event.vm.id);
        onChange((list) => ({ ...list, vms: withVm(list.vms, event.vm) }));
        return;
      }
      const all = told;
      told = null;
      onChange(({ vms }) => ({
        vms: all === null ? vms : vms.filter(({ id }) => all.has(id)),
        listed: true,
      }));
    },
  };
}
