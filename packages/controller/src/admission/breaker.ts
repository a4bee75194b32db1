import {
  asHearthError,
  makeId,
  startProgress,
  vmIdSchema,
  type Breaker,
  type Config,
  type Log,
  type VmId,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import {
  closedBreaker,
  isProbeDue,
  stepBreaker,
  toBreaker,
  type BreakerEvent,
} from '../domain/admission/breaker.ts';
import {
  creationPaused,
  isProbe,
  PROBE_REQUEST_ID,
  startOutcomeOf,
} from '../domain/admission/start-outcome.ts';
import { decideDesktop } from '../domain/vms/limits.ts';
import { advance, newVm, type VmRecord } from '../domain/vms/vm-record.ts';
import { defaultSize } from '../domain/warm-pool/plan.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { HandOver } from '../vms/hand-over.ts';
import type { VmBook } from '../vms/vm-book.ts';
import { coalesce } from '../workers/coalesce.ts';

/** How often it is looked whether a probe is due, while it isn't closed. */
const PERIOD_MS = 1000;
const CALL_TIMEOUT_MS = 10_000;

export interface BreakerDeps {
  book: VmBook;
  handOver: HandOver;
  host: HostLink;
  config: Pick<Config, 'breaker' | 'vms' | 'desktop'>;
  /** The host takes no VM, a probe neither. */
  draining: () => boolean;
  world: World;
  log: Log;
  signal: AbortSignal;
}

/** Stops the creation of VMs where too many fail, and tries one VM now and then to find out when it may go on. */
export interface CircuitBreaker {
  /** Throws creation_paused unless it is closed. */
  requireClosed(): Promise<void>;
  show(): Promise<Breaker>;
  /** Closes it by hand; what failed until now counts no more. */
  reset(): Promise<Breaker>;
  state(): Breaker['state'];
  /** Is told of every change of a VM. */
  vmChanged(vm: VmRecord | null): void;
  /** Makes the probe that is due, and deletes those that told what they were made for. */
  run(): Promise<void>;
  start(): void;
  settled(): Promise<void>;
}

export function createBreaker(deps: BreakerDeps): CircuitBreaker {
  const { book, handOver, host, config, draining, world, log, signal } = deps;
  const policy = config.breaker;
  const nowMs = (): number => world.now().getTime();
  let model = closedBreaker();
  let loading: Promise<void> | null = null;

  const apply = (event: BreakerEvent): void => {
    const before = model.state;
    model = stepBreaker(model, event, policy);
    if (model.state === before) return;
    const { vmId, failure, finding } = model.reason ?? {};
    const fields = { before, vmId, code: failure?.code, cause: finding?.cause, probeVmId: model.probeVmId };
    log(`the circuit breaker of creation is ${model.state}`, fields);
  };
  const observe = (vm: VmRecord): void => {
    const outcome = startOutcomeOf(vm);
    if (outcome !== null) apply({ type: 'outcome', outcome, nowMs: nowMs() });
  };
  /** What the records tell of the window: a controller that starts anew doesn't forget what failed. */
  const load = async (): Promise<void> => {
    const sinceMs = nowMs() - policy.windowMinutes * 60_000;
    const outcomes = (await book.store.list({})).flatMap((vm) => startOutcomeOf(vm) ?? []);
    const recent = outcomes.filter(({ atMs }) => atMs > sinceMs).toSorted((a, b) => a.atMs - b.atMs);
    for (const outcome of recent) apply({ type: 'outcome', outcome, nowMs: outcome.atMs });
  };
  const loaded = (): Promise<void> => {
    loading ??= load().catch((error: unknown) => {
      loading = null;
      throw error;
    });
    return loading;
  };
  const show = async (): Promise<Breaker> => {
    await loaded();
    return toBreaker(model, nowMs(), policy);
  };

  const beginProbe = async (): Promise<void> => {
    const kind = model.reason?.kind ?? 'cli';
    const progress = startProgress({ what: 'asking the host for room', timeoutMs: CALL_TIMEOUT_MS, signal });
    const { cpus } = await host.capacity({ signal: progress.signal, requestId: PROBE_REQUEST_ID });
    const id = vmIdSchema.parse(makeId('vm', world.randomBytes));
    const vm = newVm({
      ...{ id, userId: null, kind, size: defaultSize(config, kind, cpus) },
      desktop: decideDesktop({ kind }, config.desktop),
      ...{ requestId: PROBE_REQUEST_ID, now: world.now() },
    });
    await book.store.insertWarm(vm);
    apply({ type: 'probe_begun', vmId: id, nowMs: nowMs() });
    try {
      await handOver.give(vm);
    } catch (error) {
      if (await book.store.discard(vm)) book.changes.publish(id, null);
      apply({ type: 'probe_lost', vmId: id, nowMs: nowMs() });
      const { code, detail } = asHearthError(error);
      log('the host refused the probe of the circuit breaker', { vmId: id, code, detail });
    }
  };
  const remove = async (id: VmId): Promise<void> => {
    const vm = await book.change(id, (now) => advance(now, 'delete_requested', world.now()));
    if (vm?.state === 'deleting') void handOver.remove(vm);
  };
  const step = async (): Promise<void> => {
    await loaded();
    const probes = (
      await book.store.list({ userId: null, states: ['requested', 'starting', 'ready', 'failed'] })
    ).filter(isProbe);
    for (const vm of probes) observe(vm);
    const { probeVmId } = model;
    // Also those of a controller that ended meanwhile.
    for (const { id, state } of probes)
      if (id !== probeVmId || state === 'ready' || state === 'failed') await remove(id);
    const probe = probes.find(({ id }) => id === probeVmId);
    // One that is gone, or failed of what says nothing about starting, has decided nothing.
    if (probeVmId !== null && (probe === undefined || probe.state === 'failed'))
      apply({ type: 'probe_lost', vmId: probeVmId, nowMs: nowMs() });
    if (isProbeDue(model, nowMs()) && !draining()) await beginProbe();
  };
  let outage = false;
  const runs = coalesce(async () => {
    try {
      if (!signal.aborted) await step();
      outage = false;
    } catch (error) {
      const { code, detail } = asHearthError(error);
      if (!outage && !signal.aborted)
        log('the circuit breaker could not look after its probe', { code, detail });
      outage = true;
    }
  });

  return {
    requireClosed: async () => {
      await loaded();
      if (model.state !== 'closed') throw creationPaused(toBreaker(model, nowMs(), policy));
    },
    show,
    reset: async () => {
      await loaded();
      apply({ type: 'closed_by_hand', nowMs: nowMs() });
      void runs.run();
      return show();
    },
    state: () => model.state,
    vmChanged: (vm) => {
      if (vm === null) return;
      observe(vm);
      if (isProbe(vm) && vm.state !== 'deleting' && vm.state !== 'deleted') void runs.run();
    },
    ...runs,
    start: () => {
      void runs.run();
      const timer = setInterval(() => {
        if (model.state !== 'closed') void runs.run();
      }, PERIOD_MS);
      timer.unref();
      signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    },
  };
}
