import { asHearthError, HearthError, startProgress, toFailure, type Log, type VmId } from '@hearth/contract';
import type { World } from '../clock.ts';
import { advance, observe, type VmRecord } from '../domain/vms/vm-record.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { VmBook } from './vm-book.ts';

const CREATE_TIMEOUT_MS = 15_000;
const REMOVE_TIMEOUT_MS = 120_000;

export interface HandOverDeps {
  book: VmBook;
  host: HostLink;
  world: World;
  log: Log;
  /** Ends what is under way when the controller ends. */
  signal: AbortSignal;
}

/** Brings the host to do what the records say: one hand-over and one removal of a VM at a time. */
export interface HandOver {
  /** Gives a `requested` VM to the host. Throws what the host says; the record is the caller's then. */
  give(vm: VmRecord): Promise<void>;
  /** Like give, but a refusal fails the VM, and an absent host leaves it for the next try. */
  giveAgain(vm: VmRecord): Promise<void>;
  /** Removes a `deleting` VM from the host and marks it deleted. Never throws: reconcile tries again. */
  remove(vm: Pick<VmRecord, 'id' | 'requestId'>): Promise<void>;
  /** Is a hand-over of this VM under way? */
  busy(id: VmId): boolean;
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
}

export function createHandOver({ book, host, world, log, signal }: HandOverDeps): HandOver {
  const giving = new Map<VmId, Promise<void>>();
  const removing = new Map<VmId, Promise<void>>();

  const give = async (vm: VmRecord): Promise<void> => {
    const progress = startProgress({ what: `hand-over of ${vm.id}`, timeoutMs: CREATE_TIMEOUT_MS, signal });
    const { id, kind, cpus, memMiB, diskMiB, desktop, requestId } = vm;
    const seen = await host.create(
      id,
      { kind, cpus, memMiB, diskMiB, desktop, requestId, requestedAtMs: Date.parse(vm.createdAt) },
      { signal: progress.signal, requestId },
    );
    await book.change(id, (now) => observe(now, seen, world.now()));
  };
  const remove = async ({ id, requestId }: Pick<VmRecord, 'id' | 'requestId'>): Promise<void> => {
    // A PUT that is still on its way could arrive after the DELETE.
    await giving.get(id)?.catch(() => undefined);
    const progress = startProgress({ what: `removal of ${id}`, timeoutMs: REMOVE_TIMEOUT_MS, signal });
    try {
      await host.remove(id, { signal: progress.signal, requestId });
      await book.change(id, (vm) => advance(vm, 'host_gone', world.now()));
    } catch (error) {
      const { code, detail } = asHearthError(error);
      log('removing a VM from the host failed; it is tried again', { vmId: id, requestId, code, detail });
    }
  };
  const once = (under: Map<VmId, Promise<void>>, id: VmId, start: () => Promise<void>): Promise<void> => {
    const known = under.get(id);
    if (known !== undefined) return known;
    const promise = start().finally(() => under.delete(id));
    under.set(id, promise);
    return promise;
  };

  return {
    give: (vm) => once(giving, vm.id, () => give(vm)),
    giveAgain: async (vm) => {
      try {
        await once(giving, vm.id, () => give(vm));
      } catch (error) {
        const cause = asHearthError(error);
        if (cause.code === 'host_unreachable' || cause.code === 'deadline_exceeded' || signal.aborted) return;
        log('the host refused a VM', { vmId: vm.id, requestId: vm.requestId, code: cause.code });
        await book.change(vm.id, (now) =>
          advance(now, 'host_failed', world.now(), toFailure(cause, world.now())),
        );
      }
    },
    remove: (vm) => once(removing, vm.id, () => remove(vm)),
    busy: (id) => giving.has(id),
    settled: async () => {
      await Promise.allSettled([...giving.values(), ...removing.values()]);
    },
  };
}

export function shuttingDown(): HearthError {
  return new HearthError('shutting_down', 'the controller is stopping');
}
