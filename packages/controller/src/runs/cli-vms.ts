import { abortReason, startProgress, type UserId, type VmId } from '@hearth/contract';
import { isHome, pickHome, requireCliVm } from '../domain/runs/home.ts';
import { requireHealthy, requireReach } from '../domain/vms/reach.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { CliVmStore } from '../store/cli-vms.ts';
import type { VmBook } from '../vms/vm-book.ts';
import type { VmCall, VmService } from '../vms/vm-service.ts';

/** From the call to ready; the host's own deadline is shorter, and says what was missing. */
const READY_TIMEOUT_MS = 20 * 60_000;

export interface CliVmsDeps {
  store: CliVmStore;
  book: VmBook;
  vms: VmService;
}

/** The CLI VM in which a person works. */
export interface CliVms {
  /**
   * The person's own one, made at the first need; resumed where it is hibernated, and waited for until it is ready. With
   * `vmId` that one. Throws not_found, not_a_cli_vm, vm_deleted, and why it can't be made or doesn't come up.
   */
  ready(userId: UserId, call: VmCall, vmId?: VmId): Promise<VmRecord>;
  /** The person's own one, in whatever state; null: there is none yet, or no longer. */
  own(userId: UserId): Promise<VmId | null>;
  /** Those of everybody: they aren't deleted for their age. */
  homes: () => Promise<ReadonlySet<VmId>>;
}

export function createCliVms({ store, book, vms }: CliVmsDeps): CliVms {
  /** One looks or makes at a time for each person, so that two first runs make one home. */
  const finding = new Map<UserId, Promise<unknown>>();

  const remembered = async (userId: UserId): Promise<VmRecord | null> => {
    const id = await store.get(userId);
    const vm = id === null ? null : await book.store.get(id);
    return isHome(vm, userId) ? vm : null;
  };
  const findOrMake = async (userId: UserId, call: VmCall): Promise<VmRecord> => {
    if (call.signal.aborted) throw abortReason(call.signal);
    const known = await remembered(userId);
    if (known !== null) return known;
    const vm =
      pickHome(await book.store.list({ userId }), userId) ??
      (await vms.create({ kind: 'cli' }, { ...call, idempotencyKey: undefined })).vm;
    await store.set(userId, vm.id);
    return vm;
  };
  const home = async (userId: UserId, call: VmCall): Promise<VmRecord> => {
    const before = finding.get(userId);
    // Its outcome is its caller's; here it matters only that it has one.
    const mine = (before ?? Promise.resolve()).catch(() => undefined).then(() => findOrMake(userId, call));
    finding.set(userId, mine);
    try {
      return await mine;
    } finally {
      if (finding.get(userId) === mine) finding.delete(userId);
    }
  };

  return {
    ready: async (userId, call, vmId) => {
      const vm =
        vmId === undefined
          ? await home(userId, call)
          : requireCliVm(await book.store.get(vmId), vmId, userId);
      const progress = startProgress({
        what: `waiting for the CLI VM ${vm.id}`,
        timeoutMs: READY_TIMEOUT_MS,
        signal: call.signal,
      });
      const awake = await vms.findAwake(vm.id, { ...call, signal: progress.signal });
      const up = await vms.waitFor(awake, ({ state }) => state !== 'requested' && state !== 'starting', {
        timeoutMs: READY_TIMEOUT_MS,
        signal: progress.signal,
      });
      if (up.state !== 'ready') progress.throwIfAborted();
      requireReach(up);
      requireHealthy(up);
      return up;
    },
    own: async (userId) => (await remembered(userId))?.id ?? null,
    homes: async () => new Set((await store.all()).values()),
  };
}
