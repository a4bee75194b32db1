import { asHearthError, HearthError, toFailure, type Config, type Log, type RunId } from '@hearth/contract';
import type { World } from '../clock.ts';
import type { CredentialService } from '../credentials/credential-service.ts';
import { placeOf, planQueue, type QueuePlan } from '../domain/runs/queue.ts';
import { advance, end, type RunRecord } from '../domain/runs/run-record.ts';
import { DAY_MS } from '../domain/users/lifetimes.ts';
import type { CliVmStore } from '../store/cli-vms.ts';
import type { VmBook } from '../vms/vm-book.ts';
import { coalesce } from '../workers/coalesce.ts';
import { beginRun } from './begin-run.ts';
import type { CliVms } from './cli-vms.ts';
import { followRun } from './follow-run.ts';
import type { GuestRuns } from './guest-runs.ts';
import type { RunBook } from './run-book.ts';
import type { UseOfVms } from './use-of-vms.ts';

const PERIOD_MS = 5000;
/** What can't start is tried again after a time that grows. */
const FIRST_BLOCK_MS = 1000;
const LONGEST_BLOCK_MS = 30_000;
/** Longest that a run waits, for its turn or for a sign-in. */
const LONGEST_WAIT_MS = DAY_MS;
const CLEAR_UP_TIMEOUT_MS = 30_000;

export interface RunWorkerDeps {
  book: RunBook;
  vms: VmBook;
  guest: GuestRuns;
  cliVms: CliVms;
  homes: Pick<CliVmStore, 'all'>;
  credentials: CredentialService;
  using: UseOfVms;
  limits: Config['runs'];
  world: World;
  log: Log;
  signal: AbortSignal;
}

/**
 * Leads every run to its end, from what the records say: a controller that was started anew goes on with those of the one
 * before.
 */
export interface RunWorker {
  /** Looks at all runs, and starts those whose turn it is. */
  run: () => Promise<void>;
  start: () => void;
  /** Someone cancelled it: whatever is under way for it ends. */
  cancel(id: RunId): void;
  /** What waits for what, as it is now. */
  plan(): Promise<QueuePlan>;
  /** Resolves when nothing is under way; after the signal. */
  settled: () => Promise<void>;
}

interface Block {
  waitingFor: string;
  untilMs: number;
  pauseMs: number;
}

export function createRunWorker(deps: RunWorkerDeps): RunWorker {
  const { book, vms, guest, homes, credentials, limits, world, log, signal } = deps;
  const leading = new Map<RunId, { cancelled: AbortController; done: Promise<void> }>();
  /** By place. */
  const blocks = new Map<string, Block>();
  const clearing = new Set<RunId>();
  const nowMs = (): number => world.now().getTime();

  const plan = async (isBlocked: (block: Block) => boolean): Promise<QueuePlan & { runs: RunRecord[] }> => {
    const runs = await book.store.live();
    const blocked = new Map<string, string>();
    for (const [place, block] of blocks) if (isBlocked(block)) blocked.set(place, block.waitingFor);
    return { runs, ...planQueue({ runs, homes: await homes.all(), limits, blocked }) };
  };

  /** Gives whether others may have waited for what it had. */
  const lead = async (id: RunId, cancelled: AbortSignal): Promise<boolean> => {
    const run = await book.store.get(id);
    if (run?.state === 'starting') {
      const place = placeOf(run, await homes.all());
      const beginning = await beginRun(deps, run, { signal, cancelled });
      if (beginning.outcome === 'waits') {
        block(place, beginning.waitingFor);
        return false;
      }
      if (beginning.outcome === 'running') blocks.delete(place);
    }
    const begun = await book.store.get(id);
    if (begun?.state === 'running') await followRun(deps, begun, { signal, cancelled });
    return true;
  };
  const block = (place: string, waitingFor: string): void => {
    const before = blocks.get(place)?.pauseMs ?? FIRST_BLOCK_MS / 2;
    const pauseMs = Math.min(before * 2, LONGEST_BLOCK_MS);
    blocks.set(place, { waitingFor, pauseMs, untilMs: nowMs() + pauseMs });
    const timer = setTimeout(() => void looks.run(), pauseMs);
    timer.unref();
  };
  /** Something ended or changed that others may have waited for. */
  const unblock = (): void => {
    for (const one of blocks.values()) one.untilMs = 0;
    void looks.run();
  };
  /** A fault of Hearth itself; a run whose record can't be written is taken up again by the next look. */
  const giveUp = async (id: RunId, error: unknown): Promise<void> => {
    if (signal.aborted) return;
    const cause = asHearthError(error);
    log('a run failed by a fault of Hearth', { runId: id, code: cause.code, detail: cause.detail });
    try {
      await book.change(id, (now) => {
        const change = end(now, 'failed', toFailure(cause, world.now()), world.now());
        return change === null ? null : { ...change, forgetOrder: true };
      });
    } catch (fault) {
      log('a run could not be ended; it is tried again', { runId: id, code: asHearthError(fault).code });
    }
  };
  const leadOn = ({ id }: RunRecord): void => {
    if (leading.has(id) || signal.aborted) return;
    const cancelled = new AbortController();
    const done = lead(id, cancelled.signal)
      .catch(async (error: unknown) => {
        await giveUp(id, error);
        return true;
      })
      .then((freed) => {
        leading.delete(id);
        if (freed) unblock();
        else void looks.run();
      });
    leading.set(id, { cancelled, done });
  };

  const endOverdue = async (run: RunRecord): Promise<boolean> => {
    if (run.state !== 'queued' && run.state !== 'paused') return false;
    if (nowMs() - Date.parse(run.createdAt) < LONGEST_WAIT_MS) return false;
    const cause = new HearthError(
      'deadline_exceeded',
      `${run.id} waited for ${LONGEST_WAIT_MS / 3_600_000} hours`,
    );
    await book.change(run.id, (now) => {
      if (now.state !== 'queued' && now.state !== 'paused') return null;
      const change = end(now, 'failed', toFailure(cause, world.now()), world.now());
      return change === null ? null : { ...change, forgetOrder: true };
    });
    return true;
  };
  /** A run waits while its credential is refused, and goes on once there is a better one. */
  const followCredentials = async (live: readonly RunRecord[]): Promise<void> => {
    for (const run of live) {
      if (run.state !== 'paused' && run.state !== 'queued') continue;
      const credential = await credentials.find(run.userId, run.provider);
      const step =
        run.state === 'paused' && credential?.state === 'valid'
          ? 'signed_in'
          : run.state === 'queued' && credential?.state === 'refused'
            ? 'refused'
            : null;
      if (step !== null) await book.change(run.id, (now) => moved(advance(now, step)));
    }
  };
  /** What ended runs left in their VMs, be it that the tool still runs. */
  const clearUp = async (run: RunRecord): Promise<void> => {
    const { id, vmId, requestId } = run;
    if (vmId === null || leading.has(id) || clearing.has(id)) return;
    clearing.add(id);
    try {
      const vm = await vms.store.get(vmId);
      const options = {
        signal: AbortSignal.any([signal, AbortSignal.timeout(CLEAR_UP_TIMEOUT_MS)]),
        requestId,
      };
      if (vm?.state === 'ready') {
        await guest.remove(vmId, id, options);
      } else if (vm !== null && (vm.state === 'starting' || vm.state === 'hibernating')) return;
      await book.change(id, (now) => ({
        run: { ...now, inGuest: false, version: now.version + 1 },
        events: [],
      }));
    } catch (error) {
      const { code, detail } = asHearthError(error);
      if (!signal.aborted)
        log('what a run left in its VM could not be removed; it is tried again', { runId: id, code, detail });
    } finally {
      clearing.delete(id);
    }
  };

  const pass = async (): Promise<void> => {
    const live = await book.store.live();
    for (const run of live) {
      if (run.state === 'starting' || run.state === 'running') leadOn(run);
      else await endOverdue(run);
    }
    await followCredentials(live);
    const now = nowMs();
    const next = await plan(({ untilMs }) => untilMs > now);
    for (const id of next.start) {
      const taken = await book.change(id, (run) => moved(advance(run, 'taken')));
      if (taken?.state === 'starting') leadOn(taken);
    }
    for (const run of await book.store.leftInGuests()) void clearUp(run);
  };
  const looks = coalesce(async () => {
    try {
      signal.throwIfAborted();
      await pass();
    } catch (error) {
      if (signal.aborted) return;
      const { code, detail } = asHearthError(error);
      log('looking after the runs failed; it is tried again', { code, detail });
    }
  });

  return {
    run: () => looks.run(),
    start: () => {
      const unwatch = credentials.watch(unblock);
      const timer = setInterval(() => void looks.run(), PERIOD_MS);
      timer.unref();
      signal.addEventListener(
        'abort',
        () => {
          clearInterval(timer);
          unwatch();
        },
        { once: true },
      );
      void looks.run();
    },
    cancel: (id) => {
      leading.get(id)?.cancelled.abort(new HearthError('aborted', `${id} is cancelled`));
      void looks.run();
    },
    // What is blocked stays so in words while it is tried again.
    plan: () => plan(() => true),
    settled: async () => {
      await looks.settled();
      await Promise.all([...leading.values()].map(({ done }) => done));
    },
  };
}

const moved = (run: RunRecord | null): { run: RunRecord; events: [] } | null =>
  run === null ? null : { run, events: [] };
