import {
  asHearthError,
  HearthError,
  startProgress,
  toFailure,
  type ErrorCode,
  type Log,
  type Quota,
  type VmId,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import { advance, resumptionTakenBack, type VmRecord } from '../domain/vms/vm-record.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { HostView } from './host-view.ts';
import type { VmBook } from './vm-book.ts';

const CREATE_TIMEOUT_MS = 15_000;
/** The memory and disk of the source are copied before the host answers. */
const FORK_TIMEOUT_MS = 60_000;
const HIBERNATE_TIMEOUT_MS = 60_000;
/** The saved memory is checked before the host answers. */
const RESUME_TIMEOUT_MS = 60_000;
/** The old VMM has ended before the host answers. */
const RESTART_TIMEOUT_MS = 60_000;
const REMOVE_TIMEOUT_MS = 120_000;
/** A VM that is dead gives nothing back, and is to be deleted, or started anew, all the same. */
const TAKE_BACK_TIMEOUT_MS = 5000;

/** After these one doesn't know what the host did: its events tell. */
const unknownOutcomes: readonly ErrorCode[] = ['host_unreachable', 'deadline_exceeded', 'shutting_down'];

type Call = 'give' | 'hibernate' | 'resume' | 'restart';

export interface HandOverDeps {
  book: VmBook;
  view: HostView;
  host: HostLink;
  world: World;
  log: Log;
  /** Takes the credentials out of a VM that is going to end. */
  takeBack: (vm: VmRecord, signal: AbortSignal) => Promise<void>;
  /** What people may have who have no quota of their own. */
  quota: Quota;
  /** Ends what is under way when the controller ends. */
  signal: AbortSignal;
}

/** How a resumption is asked for. */
export interface Resumption {
  /** Without the saved memory. */
  cold: boolean;
  requestId: string;
}

/** Brings the host to do what the records say: one call that starts or stops a VM, and one removal, at a time. */
export interface HandOver {
  /** Gives a `requested` VM to the host. Throws what the host says; the record is the caller's then. */
  give(vm: VmRecord): Promise<void>;
  /** Like give, but a refusal fails the VM, and an absent host leaves it for the next try. */
  giveAgain(vm: VmRecord): Promise<void>;
  /** Hibernates a `ready` VM. Throws what the host says; the VM is `ready` again then, if the host says so. */
  hibernate(id: VmId, requestId: string): Promise<void>;
  /** Has a `hibernated` VM resumed; resolves once the host took it over. Throws quota_exceeded, and what the host says; it stays hibernated then. */
  resume(id: VmId, resumption: Resumption): Promise<void>;
  /** Has a `ready` VM's disk booted anew; resolves once the host took it over. Throws what the host says; it goes on then. */
  restart(id: VmId, requestId: string): Promise<void>;
  /** Removes a `deleting` VM from the host and marks it deleted. Never throws: reconcile tries again. */
  remove(vm: Pick<VmRecord, 'id' | 'requestId'>): Promise<void>;
  /** Is a call that starts or stops this VM under way? */
  busy(id: VmId): boolean;
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
}

export function createHandOver(deps: HandOverDeps): HandOver {
  const { book, view, host, world, log, takeBack, quota, signal } = deps;
  const calling = new Map<VmId, { what: Call; outcome: Promise<void> }>();
  const removing = new Map<VmId, Promise<void>>();
  const callOptions = (what: string, timeoutMs: number, requestId: string) => ({
    signal: startProgress({ what, timeoutMs, signal }).signal,
    requestId,
  });

  const give = async (vm: VmRecord): Promise<void> => {
    const { id, userId, kind, cpus, memMiB, diskMiB, desktop, requestId, start, forkOf } = vm;
    const timeoutMs = forkOf === null ? CREATE_TIMEOUT_MS : FORK_TIMEOUT_MS;
    view.forget(id);
    const seen = await host.create(
      id,
      {
        ...{ kind, cpus, memMiB, diskMiB, desktop, requestId, requestedAtMs: Date.parse(vm.askedAt) },
        queue: userId ?? 'warm',
        ...(start === 'auto' ? {} : { start }),
        ...(forkOf === null ? {} : { forkOf }),
      },
      callOptions(`hand-over of ${id}`, timeoutMs, requestId),
    );
    await view.take(seen);
  };
  const hibernate = async (id: VmId, requestId: string): Promise<void> => {
    const vm = await book.change(id, (now) => advance(now, 'hibernate_requested', world.now()));
    if (vm?.state !== 'hibernating') return;
    try {
      await view.whileHibernating(id, async () => {
        await takeBack(
          vm,
          callOptions(`taking back what ${id} holds`, TAKE_BACK_TIMEOUT_MS, requestId).signal,
        );
        const options = callOptions(`hibernation of ${id}`, HIBERNATE_TIMEOUT_MS, requestId);
        await view.takeAsked(await host.hibernate(id, options));
      });
    } catch (error) {
      if (!unknownOutcomes.includes(asHearthError(error).code))
        await book.change(id, (now) => advance(now, 'host_ready', world.now()));
      throw error;
    }
  };
  const resume = async (id: VmId, { cold, requestId }: Resumption): Promise<void> => {
    const before = await book.store.get(id);
    const vm = await book.change(
      id,
      (now) => advance(now, 'resume_requested', world.now()),
      (next, expectedVersion) => book.store.updateWithin(next, expectedVersion, quota),
    );
    if (before?.state !== 'hibernated' || vm?.state !== 'starting') return;
    try {
      const options = callOptions(`resumption of ${id}`, RESUME_TIMEOUT_MS, requestId);
      const body = { cold, requestedAtMs: Date.parse(vm.askedAt), requestId };
      await view.take(await host.resume(id, body, options));
    } catch (error) {
      // Also where the outcome is unknown: the host's events put it right if it goes on with it.
      await book.change(id, (now) =>
        now.state === 'starting' ? resumptionTakenBack(now, before, world.now()) : null,
      );
      throw error;
    }
  };
  /** Its record moves on as the host tells of it, which is how a restart by the host's watchdog is seen, too. */
  const restart = async (id: VmId, requestId: string): Promise<void> => {
    await takeBackIfItLives(id);
    const options = callOptions(`restart of ${id}`, RESTART_TIMEOUT_MS, requestId);
    await view.take(await host.restart(id, { requestedAtMs: world.now().getTime(), requestId }, options));
  };
  const remove = async ({ id, requestId }: Pick<VmRecord, 'id' | 'requestId'>): Promise<void> => {
    // A PUT that is still on its way could arrive after the DELETE.
    await calling.get(id)?.outcome.catch(() => undefined);
    await takeBackIfItLives(id);
    try {
      await host.remove(id, callOptions(`removal of ${id}`, REMOVE_TIMEOUT_MS, requestId));
      view.forget(id);
      await book.change(id, (vm) => advance(vm, 'host_gone', world.now()));
    } catch (error) {
      const { code, detail } = asHearthError(error);
      log('removing a VM from the host failed; it is tried again', { vmId: id, requestId, code, detail });
    }
  };
  const takeBackIfItLives = async (id: VmId): Promise<void> => {
    try {
      const vm = await book.store.get(id);
      if (vm === null) return;
      const progress = startProgress({
        what: `taking back what ${id} holds`,
        timeoutMs: TAKE_BACK_TIMEOUT_MS,
        signal,
      });
      await takeBack(vm, progress.signal);
    } catch (error) {
      const { code, detail } = asHearthError(error);
      log('a VM that ends did not give its credentials back', { vmId: id, code, detail });
    }
  };
  /** One call at a time for each VM: an equal one shares its outcome, another one waits for it. */
  const alone = async (id: VmId, what: Call, start: () => Promise<void>): Promise<void> => {
    for (let known = calling.get(id); known !== undefined; known = calling.get(id)) {
      if (known.what === what) return known.outcome;
      await known.outcome.catch(() => undefined);
    }
    const outcome = start().finally(() => calling.delete(id));
    calling.set(id, { what, outcome });
    return outcome;
  };

  return {
    give: (vm) => alone(vm.id, 'give', () => give(vm)),
    giveAgain: async (vm) => {
      try {
        await alone(vm.id, 'give', () => give(vm));
      } catch (error) {
        const cause = asHearthError(error);
        if (unknownOutcomes.includes(cause.code) || signal.aborted) return;
        log('the host refused a VM', { vmId: vm.id, requestId: vm.requestId, code: cause.code });
        await book.change(vm.id, (now) =>
          advance(now, 'host_failed', world.now(), toFailure(cause, world.now())),
        );
      }
    },
    hibernate: (id, requestId) => alone(id, 'hibernate', () => hibernate(id, requestId)),
    resume: (id, resumption) => alone(id, 'resume', () => resume(id, resumption)),
    restart: (id, requestId) => alone(id, 'restart', () => restart(id, requestId)),
    remove: (vm) => {
      const known = removing.get(vm.id);
      if (known !== undefined) return known;
      const promise = remove(vm).finally(() => removing.delete(vm.id));
      removing.set(vm.id, promise);
      return promise;
    },
    busy: (id) => calling.has(id),
    settled: async () => {
      const calls = [...calling.values()].map(({ outcome }) => outcome);
      await Promise.allSettled([...calls, ...removing.values()]);
    },
  };
}

export function shuttingDown(): HearthError {
  return new HearthError('shutting_down', 'the controller is stopping');
}
