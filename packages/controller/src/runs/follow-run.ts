import {
  asHearthError,
  HearthError,
  pause,
  toFailure,
  type Failure,
  type GuestRunLine,
  type Log,
  type RunId,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import type { CredentialService } from '../credentials/credential-service.ts';
import { takeLines, type GuestChanges } from '../domain/runs/guest-output.ts';
import { outcomeOf, verdictOf } from '../domain/runs/outcome.ts';
import { end, isEnded, type RunRecord } from '../domain/runs/run-record.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { VmBook } from '../vms/vm-book.ts';
import { diffChanges } from './diffs.ts';
import type { GuestRuns } from './guest-runs.ts';
import type { RunBook } from './run-book.ts';
import type { UseOfVms } from './use-of-vms.ts';

/** The guest ends a run at its time limit; where it doesn't say so by then, it is ended without its word. */
const LIMIT_GRACE_MS = 60_000;
/** A cancelled tool that doesn't end is left to the guest. */
const CANCEL_GRACE_MS = 30_000;
/** A VM that is said to be ready and whose agent is silent for so long is lost for a run. */
const SILENCE_MS = 2 * 60_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

export interface FollowRunDeps {
  book: RunBook;
  vms: VmBook;
  guest: GuestRuns;
  credentials: Pick<CredentialService, 'settle'>;
  using: UseOfVms;
  world: World;
  log: Log;
}

interface Signals {
  signal: AbortSignal;
  cancelled: AbortSignal;
}

/**
 * Takes in the output of a `running` run until its end; from wherever it was left. Returns once the run is over, or throws
 * the reason of `signal`, which leaves the run as it is.
 */
export async function followRun(deps: FollowRunDeps, run: RunRecord, signals: Signals): Promise<void> {
  const { vms, using } = deps;
  const { id, vmId, provider } = run;
  if (vmId === null) throw new HearthError('internal', `${id} runs in no VM`);
  const over = new AbortController();
  const release = using.begin(id, vmId, provider);
  const unsubscribe = vms.changes.subscribe(vmId, (vm) => {
    const reason = whyLost(vm, vmId);
    if (reason !== null) over.abort(reason);
  });
  const limit = setTimeout(
    () => over.abort(new HearthError('run_timed_out', `${id} did not end in its time`)),
    leftMs(deps, run) + LIMIT_GRACE_MS,
  );
  const cancelling = cancelWhenAsked(deps, run, { ...signals, over });
  try {
    const ending = await readToEnd(deps, run, AbortSignal.any([signals.signal, over.signal]), signals.signal);
    await finish(deps, id, ending);
  } finally {
    over.abort();
    clearTimeout(limit);
    unsubscribe();
    release();
    await cancelling;
  }
}

const leftMs = ({ world }: FollowRunDeps, { startedAt, createdAt, timeoutMs }: RunRecord): number =>
  Math.max(0, Date.parse(startedAt ?? createdAt) + timeoutMs - world.now().getTime());

/** Why a run can't go on in its VM; null where it can. */
function whyLost(vm: VmRecord | null, vmId: string): HearthError | null {
  if (vm === null) return new HearthError('run_lost', `${vmId} is gone`);
  const { state, failure } = vm;
  if (state === 'failed')
    return new HearthError(
      'run_lost',
      failure === null ? `${vmId} failed` : `${vmId} failed: ${failure.title}: ${failure.detail}`,
    );
  if (state === 'deleting' || state === 'deleted' || state === 'hibernated')
    return new HearthError('run_lost', `${vmId} is ${state}`);
  return null;
}

/** What ends a run beside its tool's own end. */
interface Ending {
  changes: GuestChanges | null;
  /** null: the tool has ended, and its outcome is in the record. */
  reason: HearthError | null;
}

async function readToEnd(
  deps: FollowRunDeps,
  run: RunRecord,
  signal: AbortSignal,
  stopping: AbortSignal,
): Promise<Ending> {
  const { vms, guest, log } = deps;
  const { id, vmId, requestId } = run;
  if (vmId === null) throw new HearthError('internal', `${id} runs in no VM`);
  let pauseMs = FIRST_PAUSE_MS;
  let heardAtMs = performance.now();
  let after = run.guestSeq;
  let exited = run.exitCode !== null;
  // Ends: with the output, by the signal, or by the silence of the agent.
  for (;;) {
    try {
      const lost = whyLost(await vms.store.get(vmId), vmId);
      if (lost !== null) throw lost;
      for await (const lines of guest.output(vmId, id, after, { signal, requestId })) {
        pauseMs = FIRST_PAUSE_MS;
        heardAtMs = performance.now();
        const taken = await takeIn(deps, id, lines);
        if (taken.run === null || isEnded(taken.run) || taken.changes !== null)
          return { changes: taken.changes, reason: null };
        after = taken.run.guestSeq;
        exited = taken.run.exitCode !== null;
      }
      // The whole was read, and its last line, which tells the changes, was taken in before.
      if (exited) return { changes: null, reason: null };
    } catch (error) {
      if (stopping.aborted) throw error;
      const cause = asHearthError(signal.aborted ? signal.reason : error);
      if (signal.aborted || cause.code === 'run_lost') return { changes: null, reason: cause };
      if (cause.code === 'not_found' || cause.code === 'vm_deleted')
        return {
          changes: null,
          reason: new HearthError('run_lost', `${vmId} knows nothing of it any more: it was started anew`),
        };
      if (performance.now() - heardAtMs > SILENCE_MS && cause.code !== 'host_unreachable')
        return { changes: null, reason: new HearthError('run_lost', `${vmId}: ${cause.detail}`) };
      log('the output of a run broke off; it is taken up again', { runId: id, vmId, code: cause.code });
    }
    await pause(pauseMs, signal).catch((error: unknown) => {
      // What ended the pause otherwise is looked at by the next try.
      if (stopping.aborted) throw error;
    });
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

async function takeIn(
  { book, world }: FollowRunDeps,
  id: RunId,
  lines: readonly GuestRunLine[],
): Promise<{ run: RunRecord | null; changes: GuestChanges | null }> {
  let changes: GuestChanges | null = null;
  const run = await book.change(id, (now) => {
    if (isEnded(now)) return null;
    const { changes: found, ...reading } = takeLines(now, lines, world.now());
    changes = found;
    return reading;
  });
  return { run, changes };
}

async function finish(deps: FollowRunDeps, id: RunId, { changes, reason }: Ending): Promise<void> {
  const { book, credentials, world, log } = deps;
  const diffs = changes === null ? null : await diffChanges(changes);
  const before = await book.store.get(id);
  if (before === null || isEnded(before)) return;
  const refused = verdictOf(before);
  if (refused !== null)
    try {
      await credentials.settle(before.userId, before.provider, { runId: id, refused });
    } catch (error) {
      const { code, detail } = asHearthError(error);
      log('the end of a run could not be counted for its credential', { runId: id, code, detail });
    }
  await book.change(id, (now) => {
    const { step, failure } =
      now.exitCode === null ? withoutExit(now, reason, world.now()) : outcomeOf(now, world.now());
    const list = diffs?.changes.map(({ path, change }) => ({ path, change })) ?? null;
    const change = end({ ...now, changes: list }, step, failure, world.now());
    return change === null
      ? null
      : { ...change, ...(diffs === null ? {} : { changes: diffs }), forgetOrder: true };
  });
}

/** Its tool may still run in the guest: whoever clears up after it ends that. */
function withoutExit(
  run: RunRecord,
  reason: HearthError | null,
  now: Date,
): { step: 'failed' | 'cancelled' | 'timed_out'; failure: Failure | null } {
  if (run.cancelWanted) return { step: 'cancelled', failure: null };
  const cause = reason ?? new HearthError('run_lost', 'its output ended without its end');
  return { step: cause.code === 'run_timed_out' ? 'timed_out' : 'failed', failure: toFailure(cause, now) };
}

/** Asks the guest to end the tool, until the run is over. Never throws. */
async function cancelWhenAsked(
  { guest, log }: FollowRunDeps,
  run: RunRecord,
  { signal, cancelled, over }: Signals & { over: AbortController },
): Promise<void> {
  const { id, vmId, requestId } = run;
  if (vmId === null) return;
  const until = AbortSignal.any([signal, over.signal]);
  try {
    if (!run.cancelWanted) await whenAborted(cancelled, until);
    const limit = setTimeout(
      () => over.abort(new HearthError('aborted', `${id} was cancelled and did not end`)),
      CANCEL_GRACE_MS,
    );
    until.addEventListener('abort', () => clearTimeout(limit), { once: true });
    for (;;) {
      try {
        await guest.cancel(vmId, id, { signal: until, requestId });
        return;
      } catch (error) {
        if (until.aborted) return;
        const { code, detail } = asHearthError(error);
        if (code === 'not_found' || code === 'run_ended') return;
        log('cancelling a run in its VM failed; it is tried again', { runId: id, vmId, code, detail });
      }
      await pause(1000, until);
    }
  } catch (error) {
    if (!until.aborted) throw error;
  }
}

/** Resolves at the abort of the first, rejects at that of the second. */
async function whenAborted(awaited: AbortSignal, until: AbortSignal): Promise<void> {
  if (awaited.aborted) return;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const stop = new AbortController();
  awaited.addEventListener('abort', () => resolve(undefined), { signal: stop.signal });
  until.addEventListener('abort', () => reject(asHearthError(until.reason, 'aborted')), {
    signal: stop.signal,
  });
  if (until.aborted) reject(asHearthError(until.reason, 'aborted'));
  try {
    await promise;
  } finally {
    stop.abort();
  }
}
