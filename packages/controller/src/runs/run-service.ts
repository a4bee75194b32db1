import {
  HearthError,
  makeId,
  providers,
  runIdSchema,
  type Config,
  type CreateRun,
  type RequestId,
  type Run,
  type RunChanges,
  type RunId,
  type UserId,
} from '@hearth/contract';
import { createHash } from 'node:crypto';
import type { World } from '../clock.ts';
import type { CredentialService } from '../credentials/credential-service.ts';
import { requireCliVm } from '../domain/runs/home.ts';
import type { QueuePlan } from '../domain/runs/queue.ts';
import { end, isEnded, newRun, type RunRecord } from '../domain/runs/run-record.ts';
import type { StoredEvent } from '../store/runs.ts';
import type { VmBook } from '../vms/vm-book.ts';
import { checkOrder, folderOf } from './check-order.ts';
import type { RunBook, RunListener } from './run-book.ts';
import type { RunWorker } from './run-worker.ts';

/** Of events that are read at once: bounds what a slow reader costs. */
const PAGE_BYTES = 256 * 1024;

export interface RunServiceDeps {
  book: RunBook;
  vms: VmBook;
  worker: RunWorker;
  credentials: Pick<CredentialService, 'find'>;
  limits: Config['runs'];
  world: World;
}

export interface CreatedRun {
  run: RunRecord;
  /** The key was used before, and this is the run that it made then. */
  replayed: boolean;
}

/** Runs; each person sees their own only. */
export interface RunService {
  /**
   * Throws bad_request, body_too_large, not_found, not_a_cli_vm, vm_deleted, credential_missing, run_queue_full,
   * idempotency_mismatch.
   */
  create(
    userId: UserId,
    body: CreateRun,
    call: { requestId: RequestId; idempotencyKey: string | undefined },
  ): Promise<CreatedRun>;
  /** Throws not_found. */
  find(userId: UserId, id: RunId): Promise<RunRecord>;
  /** Newest first. */
  list(userId: UserId, options: { limit: number; before?: RunId | undefined }): Promise<RunRecord[]>;
  /** The person's runs that aren't over, and the newest `ended` others. */
  current(userId: UserId, ended: number): Promise<RunRecord[]>;
  /** Resolves once it is asked for. Throws run_ended, unless it was cancelled before. */
  cancel(userId: UserId, id: RunId): Promise<RunRecord>;
  /** null before its end, and where nothing could be compared. */
  changes(userId: UserId, id: RunId): Promise<RunChanges | null>;
  /** A page of events behind `after`; [] where there is none yet. */
  events(id: RunId, after: number): Promise<StoredEvent[]>;
  /** What the API shows of them. */
  view(runs: readonly RunRecord[]): Promise<Run[]>;
  /** Tells that it changed. Gives back what ends it. */
  watch(id: RunId, listener: RunListener): () => void;
  watchUser(userId: UserId, listener: RunListener): () => void;
}

export function createRunService(deps: RunServiceDeps): RunService {
  const { book, vms, worker, credentials, limits, world } = deps;

  const find = async (userId: UserId, id: RunId): Promise<RunRecord> => {
    const run = await book.store.get(id);
    if (run?.userId === userId) return run;
    throw new HearthError('not_found', `there is no run ${id}`, { hint: '`hearth runs ls` lists yours.' });
  };
  /** Where it takes place: named, or with the conversation that it continues. */
  const placeFor = async (
    userId: UserId,
    { provider, sessionId, cwd, vmId }: CreateRun,
  ): Promise<Pick<RunRecord, 'cwd' | 'wantedVmId'>> => {
    if (sessionId === undefined) {
      if (vmId !== undefined) requireCliVm(await vms.store.get(vmId), vmId, userId);
      return { cwd: folderOf(cwd), wantedVmId: vmId ?? null };
    }
    const earlier = await book.store.ofConversation(userId, provider, sessionId);
    if (earlier?.vmId == null)
      throw new HearthError(
        'not_found',
        `none of your runs of ${providers[provider].title} has the conversation ${sessionId}`,
        { hint: 'Take the `sessionId` of one of them: `hearth runs ls`.' },
      );
    if (vmId !== undefined && vmId !== earlier.vmId) {
      const message = `the conversation is in ${earlier.vmId}`;
      throw new HearthError('bad_request', `vmId: ${message}`, { issues: [{ path: 'vmId', message }] });
    }
    requireCliVm(await vms.store.get(earlier.vmId), earlier.vmId, userId);
    return { cwd: cwd === undefined ? earlier.cwd : folderOf(cwd), wantedVmId: earlier.vmId };
  };

  return {
    find,
    create: async (userId, body, { requestId, idempotencyKey }) => {
      checkOrder(body);
      const { provider, prompt, sessionId, files = [], timeoutMs, model, baseUrl } = body;
      const place = await placeFor(userId, body);
      const credential = await credentials.find(userId, provider);
      if (credential === null)
        throw new HearthError('credential_missing', `${providers[provider].title} is not connected`);
      const run = newRun({
        id: runIdSchema.parse(makeId('run', world.randomBytes)),
        userId,
        provider,
        prompt,
        continues: sessionId ?? null,
        model: model ?? null,
        ...place,
        timeoutMs: timeoutMs ?? limits.timeoutMinutes * 60_000,
        requestId,
        paused: credential.state === 'refused',
        now: world.now(),
      });
      const requestHash = createHash('sha256').update(JSON.stringify(body)).digest('hex');
      const inserted = await book.store.insert(
        run,
        { prompt, files, model: model ?? null, baseUrl: baseUrl ?? null },
        { maxWaiting: limits.maxQueuedPerUser, key: idempotencyKey ?? null, requestHash },
      );
      if (inserted.outcome === 'full')
        throw new HearthError('run_queue_full', `${limits.maxQueuedPerUser} of your runs wait already`);
      if (inserted.outcome === 'repeated') {
        if (inserted.requestHash !== requestHash)
          throw new HearthError('idempotency_mismatch', 'the body differs from that of the first request');
        return { run: inserted.run, replayed: true };
      }
      book.publish(run);
      void worker.run();
      return { run, replayed: false };
    },
    list: async (userId, { limit, before }) =>
      book.store.list(userId, {
        limit,
        ...(before === undefined ? {} : { before: await find(userId, before) }),
      }),
    current: async (userId, ended) => {
      const live = (await book.store.live()).filter((run) => run.userId === userId);
      const newest = await book.store.list(userId, { limit: live.length + ended });
      return [...live, ...newest.filter(isEnded).slice(0, ended)];
    },
    cancel: async (userId, id) => {
      await find(userId, id);
      const run = await book.change(id, (now) => {
        if (isEnded(now) || now.cancelWanted) return null;
        const asked = { ...now, cancelWanted: true, version: now.version + 1 };
        if (now.state === 'starting' || now.state === 'running') return { run: asked, events: [] };
        const change = end({ ...now, cancelWanted: true }, 'cancelled', null, world.now());
        return change === null ? null : { ...change, forgetOrder: true };
      });
      if (run === null || (isEnded(run) && run.state !== 'cancelled'))
        throw new HearthError('run_ended', `${id} is ${run?.state ?? 'forgotten'}`);
      worker.cancel(id);
      return run;
    },
    changes: async (userId, id) => {
      await find(userId, id);
      return book.store.changes(id);
    },
    events: (id, after) => book.store.events(id, after, PAGE_BYTES),
    view: async (runs) => {
      const waits = runs.some(({ state }) => state === 'queued' || state === 'paused');
      const plan = waits ? await worker.plan() : null;
      return runs.map((run) => toView(run, plan));
    },
    watch: (id, listener) => book.watch(id, listener),
    watchUser: (userId, listener) => book.watchUser(userId, listener),
  };
}

function toView(run: RunRecord, plan: QueuePlan | null): Run {
  const {
    continues: _continues,
    wantedVmId: _wantedVmId,
    timeoutMs: _timeoutMs,
    endedBy: _endedBy,
    requestId: _requestId,
    cancelWanted: _cancelWanted,
    guestSeq: _guestSeq,
    inGuest: _inGuest,
    needsLogin: _needsLogin,
    toolError: _toolError,
    stderrTail: _stderrTail,
    ...shown
  } = run;
  if (run.state !== 'queued' && run.state !== 'paused') return { ...shown, position: null, waitingFor: null };
  const known = plan?.waiting.get(run.id);
  // Its turn comes with the next look at the queue.
  const turn = { position: run.state === 'queued' ? 0 : null, waitingFor: 'its turn' };
  return { ...shown, ...(known ?? turn) };
}
