import {
  asHearthError,
  breakerStates,
  runStates,
  signinStates,
  startProgress,
  vmKinds,
  vmStates,
  type Breaker,
  type Log,
} from '@hearth/contract';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { HostLink } from '../host-link/host-link.ts';
import type { CountStore, VmCount } from '../store/counts.ts';
import type { AnyVmListener } from '../vms/vm-changes.ts';
import { observeStarts } from './vm-starts.ts';

const HOST_TIMEOUT_MS = 5000;
/** The plugin's 10 ms would wake an idle daemon a hundred times a second. */
const LOOP_SAMPLE_MS = 1000;
/** From a warm VM that is taken to a cold boot under emulation. */
const BOOT_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300];
const REQUEST_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface ControllerMetricsDeps {
  counts: CountStore;
  host: Pick<HostLink, 'metrics'>;
  breaker: () => Breaker['state'];
  /** Epoch milliseconds. */
  startedAtMs: number;
  log: Log;
}

/** An answered call of the API. */
export interface AnsweredCall {
  method: string;
  /** Its pattern, never its path: paths hold ids. */
  route: string;
  status: number;
  /** Until its answer began. */
  durationMs: number;
}

export interface ControllerMetrics {
  readonly contentType: string;
  /** Told of every change of a VM. */
  readonly vmChanged: AnyVmListener;
  answered(call: AnsweredCall): void;
  rateLimited(budget: string): void;
  /** The metrics of controller and host in one text. Without the host's, and `hearth_host_up 0`, where it does not answer. */
  text(signal: AbortSignal): Promise<string>;
}

/** What the controller counts. No label is an id: their number stays small whatever happens. */
export function createControllerMetrics(deps: ControllerMetricsDeps): ControllerMetrics {
  const { counts, host, breaker, startedAtMs, log } = deps;
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({
    register: registry,
    prefix: 'hearth_controller_',
    eventLoopMonitoringPrecision: LOOP_SAMPLE_MS,
  });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers });

  const vms = gauge('hearth_vms', 'VMs that are not deleted', ['kind', 'state']);
  const unhealthy = gauge('hearth_vm_unhealthy', 'VMs that are ready and do not answer, or answer wrongly');
  const warm = gauge('hearth_warm_vms', 'VMs that wait warm and ready', ['kind']);
  const runs = gauge('hearth_runs', 'Runs that are kept', ['state']);
  const signins = gauge('hearth_signins', 'Sign-ins that are kept', ['state']);
  const breakerState = gauge('hearth_breaker_state', '1 for the state of the circuit breaker of creation', [
    'state',
  ]);
  const hostUp = gauge('hearth_host_up', '1 where the host daemon answers');
  const phases = new Histogram({
    name: 'hearth_boot_phase_seconds',
    help: 'Time from the request of a VM to each phase of its way to ready; once a VM',
    labelNames: ['kind', 'origin', 'phase'] as const,
    buckets: BOOT_SECONDS,
    registers,
  });
  const starts = new Counter({
    name: 'hearth_vm_starts_total',
    help: 'Starts of VMs that ended, resumptions included',
    labelNames: ['kind', 'outcome'] as const,
    registers,
  });
  const requests = new Histogram({
    name: 'hearth_http_request_duration_seconds',
    help: 'Time from a call to the beginning of its answer',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: REQUEST_SECONDS,
    registers,
  });
  const limited = new Counter({
    name: 'hearth_rate_limited_total',
    help: 'Calls that were refused since an allowance was used up',
    labelNames: ['class'] as const,
    registers,
  });
  for (const kind of vmKinds)
    for (const outcome of ['ready', 'failed'] as const) starts.inc({ kind, outcome }, 0);

  const vmChanged = observeStarts(startedAtMs, {
    started: (start) => starts.inc({ ...start }),
    way: ({ kind, origin, phases: marks }) => {
      for (const { phase, atMs } of marks) phases.observe({ kind, origin, phase }, atMs / 1000);
    },
  });

  const setVms = (all: readonly VmCount[]): void => {
    const sum = (matches: (vm: VmCount) => boolean): number =>
      all.filter(matches).reduce((total, { count }) => total + count, 0);
    for (const kind of vmKinds) {
      for (const state of vmStates)
        if (state !== 'deleted')
          vms.set(
            { kind, state },
            sum((vm) => vm.kind === kind && vm.state === state),
          );
      warm.set(
        { kind },
        sum((vm) => vm.kind === kind && vm.state === 'ready' && vm.warm),
      );
    }
    unhealthy.set(sum((vm) => vm.state === 'ready' && vm.found));
  };
  /** States of which there are none count 0, so that a graph doesn't break off. */
  const setStates = <S extends string>(
    into: Gauge<'state'>,
    states: readonly S[],
    found: readonly { state: S; count: number }[],
  ): void => {
    for (const state of states) into.set({ state }, found.find((entry) => entry.state === state)?.count ?? 0);
  };
  const hostText = async (signal: AbortSignal): Promise<string> => {
    const progress = startProgress({ what: 'the host’s metrics', timeoutMs: HOST_TIMEOUT_MS, signal });
    try {
      return await host.metrics({ signal: progress.signal });
    } catch (error) {
      signal.throwIfAborted();
      const { code, detail } = asHearthError(error);
      log('the host gave no metrics', { code, detail });
      return '';
    }
  };

  return {
    contentType: registry.contentType,
    vmChanged,
    answered: ({ method, route, status, durationMs }) =>
      requests.observe({ method, route, status }, durationMs / 1000),
    rateLimited: (budget) => limited.inc({ class: budget }),
    text: async (signal) => {
      const [allVms, allRuns, allSignins, ofHost] = await Promise.all([
        counts.vms(),
        counts.runs(),
        counts.signins(),
        hostText(signal),
      ]);
      setVms(allVms);
      setStates(runs, runStates, allRuns);
      setStates(signins, signinStates, allSignins);
      const now = breaker();
      for (const state of breakerStates) breakerState.set({ state }, state === now ? 1 : 0);
      hostUp.set(ofHost === '' ? 0 : 1);
      return `${(await registry.metrics()).trimEnd()}\n${ofHost}`;
    },
  };
}
