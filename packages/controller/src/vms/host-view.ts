import type { HostVm, VmId } from '@hearth/contract';
import type { World } from '../clock.ts';
import { observe, type VmRecord } from '../domain/vms/vm-record.ts';
import type { VmBook } from './vm-book.ts';

/**
 * Takes what the host says of its VMs into the records. Answers and events come by different ways, so that an older view
 * may come after a newer one: the host counts its changes, and only newer ones count.
 */
export interface HostView {
  /** Takes in an event or an answer. Gives the newest record; null where there is none. */
  take(seen: HostVm): Promise<VmRecord | null>;
  /**
   * Takes in what was just asked for: it also counts where that very view is known already.
   * @param listed its record as it was just read, which spares another look at the store where nothing differs
   */
  takeAsked(seen: HostVm, listed?: VmRecord): Promise<VmRecord | null>;
  /** The VM begins anew on the host, and the host to count; without an id: all of them, after a restart of the host. */
  forget(id?: VmId): void;
  /** Runs a hibernation: meanwhile that the VM is ready says nothing. */
  whileHibernating<T>(id: VmId, act: () => Promise<T>): Promise<T>;
}

export interface HostViewDeps {
  book: VmBook;
  world: World;
  /** How long a VM may be hibernated; 0: for ever. */
  deleteAfterDays: number;
  /** Told of every view that counts. */
  onSeen: (seen: HostVm) => void;
}

export function createHostView({ book, world, deleteAfterDays, onSeen }: HostViewDeps): HostView {
  const versions = new Map<VmId, number>();
  const hibernating = new Set<VmId>();

  const apply = async (seen: HostVm): Promise<VmRecord | null> => {
    if (seen.state === 'gone') versions.delete(seen.id);
    else versions.set(seen.id, seen.version);
    const vm = await book.change(seen.id, (now) => {
      const early = seen.state === 'ready' && now.state === 'hibernating' && hibernating.has(now.id);
      return early ? null : observe(now, seen, world.now(), deleteAfterDays);
    });
    onSeen(seen);
    return vm;
  };
  const known = ({ id }: HostVm): number => versions.get(id) ?? -1;

  return {
    take: (seen) => (seen.version > known(seen) ? apply(seen) : book.store.get(seen.id)),
    takeAsked: async (seen, listed) => {
      if (seen.version < known(seen)) return book.store.get(seen.id);
      const isNews = seen.version > known(seen);
      if (isNews || listed === undefined || observe(listed, seen, world.now(), deleteAfterDays) !== null)
        return apply(seen);
      onSeen(seen);
      return listed;
    },
    forget: (id) => (id === undefined ? versions.clear() : void versions.delete(id)),
    whileHibernating: async (id, act) => {
      hibernating.add(id);
      try {
        return await act();
      } finally {
        hibernating.delete(id);
      }
    },
  };
}
