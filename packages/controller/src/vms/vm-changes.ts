import type { VmId } from '@hearth/contract';
import type { VmRecord } from '../domain/vms/vm-record.ts';

/** Tells whoever waits for a VM that it changed; null: it was taken back and never was. */
export type VmListener = (vm: VmRecord | null) => void;
/** The same for whoever follows all VMs. */
export type AnyVmListener = (id: VmId, vm: VmRecord | null) => void;

export interface VmChanges {
  publish(id: VmId, vm: VmRecord | null): void;
  /** Gives back what ends the subscription. */
  subscribe(id: VmId, listener: VmListener): () => void;
  subscribeAll(listener: AnyVmListener): () => void;
  /** Subscriptions open now. */
  size(): number;
}

/** `first` is told of every change before all others; it is no subscription. */
export function createVmChanges(first: AnyVmListener = () => undefined): VmChanges {
  const listeners = new Map<VmId, Set<VmListener>>();
  const toAll = new Set<AnyVmListener>();
  return {
    publish: (id, vm) => {
      first(id, vm);
      for (const listener of [...(listeners.get(id) ?? [])]) listener(vm);
      for (const listener of [...toAll]) listener(id, vm);
    },
    subscribe: (id, listener) => {
      const set = listeners.get(id) ?? new Set();
      listeners.set(id, set);
      set.add(listener);
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(id) === set) listeners.delete(id);
      };
    },
    subscribeAll: (listener) => {
      toAll.add(listener);
      return () => toAll.delete(listener);
    },
    size: () => [...listeners.values()].reduce((sum, set) => sum + set.size, toAll.size),
  };
}
