import { asHearthError, type Log, type VmId } from '@hearth/contract';
import type { World } from '../clock.ts';
import type { VmBook } from './vm-book.ts';

/** `lastUsedAt` is written no more often for a VM that is used all the time. */
const WRITE_PERIOD_MS = 60_000;
/** A use that took longer is written when it ends. */
const SHORT_USE_MS = 1000;

export interface Activity {
  /** The VM is used now. */
  touch(id: VmId): void;
  /** The VM is used from now on, until what this gives is called. */
  begin(id: VmId): () => void;
  /** Has something of the VM been begun that did not end? */
  inUse(id: VmId): boolean;
  /** Resolves when nothing is being written. */
  settled(): Promise<void>;
}

export interface ActivityDeps {
  book: VmBook;
  world: World;
  log: Log;
}

/** Which VMs are used, and when they were; for whoever hibernates those that are not. */
export function createActivity({ book, world, log }: ActivityDeps): Activity {
  const uses = new Map<VmId, number>();
  const writing = new Set<Promise<void>>();

  const write = async (id: VmId, periodMs: number): Promise<void> => {
    try {
      await book.change(id, (vm) => {
        const now = world.now();
        const last = vm.lastUsedAt === null ? -Infinity : Date.parse(vm.lastUsedAt);
        if (vm.state !== 'ready' || vm.userId === null || now.getTime() - last < periodMs) return null;
        return { ...vm, version: vm.version + 1, lastUsedAt: now.toISOString() };
      });
    } catch (error) {
      const { code, detail } = asHearthError(error);
      log('the use of a VM could not be written down', { vmId: id, code, detail });
    }
  };
  const record = (id: VmId, periodMs: number): void => {
    const written = write(id, periodMs).finally(() => writing.delete(written));
    writing.add(written);
  };
  const touch = (id: VmId): void => record(id, WRITE_PERIOD_MS);

  return {
    touch,
    begin: (id) => {
      const begunAtMs = world.now().getTime();
      uses.set(id, (uses.get(id) ?? 0) + 1);
      touch(id);
      let over = false;
      return () => {
        if (over) return;
        over = true;
        const rest = (uses.get(id) ?? 1) - 1;
        if (rest === 0) uses.delete(id);
        else uses.set(id, rest);
        if (world.now().getTime() - begunAtMs > SHORT_USE_MS) record(id, 1);
      };
    },
    inUse: (id) => uses.has(id),
    settled: async () => {
      await Promise.all(writing);
    },
  };
}
