import {
  driftSubjects,
  hostVmStates,
  traceKinds,
  vmKinds,
  type DriftReport,
  type HostCapacity,
  type HostVm,
  type TraceKind,
} from '@hearth/contract';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

/** The plugin's 10 ms would wake an idle daemon a hundred times a second. */
const LOOP_SAMPLE_MS = 1000;
const BYTES_PER_MIB = 1024 * 1024;
const driftOutcomes = ['repaired', 'named', 'failed'] as const;

export interface HostMetricsDeps {
  vms: {
    list(): readonly Pick<HostVm, 'kind' | 'state'>[];
    controlChannels(): { open: number; closed: number };
  };
  /** By the watchdog, since the daemon started. */
  restarts: () => number;
  capacity: () => Promise<HostCapacity>;
  /** null before the first pass. */
  drift: () => DriftReport | null;
  /** By sweeps, since the daemon started. */
  swept: () => ReadonlyMap<TraceKind, number>;
}

export interface HostMetrics {
  readonly contentType: string;
  text(): Promise<string>;
}

/** What the host daemon counts. No label is an id: their number stays small whatever happens. */
export function createHostMetrics({
  vms,
  restarts: restarted,
  capacity,
  drift,
  swept,
}: HostMetricsDeps): HostMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({
    register: registry,
    prefix: 'hearth_host_',
    eventLoopMonitoringPrecision: LOOP_SAMPLE_MS,
  });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers });

  const count = gauge('hearth_host_vms', 'VMs that the host daemon has', ['kind', 'state']);
  const addresses = gauge('hearth_addresses_free', 'Addresses that no VM has');
  const slots = gauge('hearth_boot_slots', 'Starts under way, and those that wait for their turn', ['state']);
  const drifts = gauge('hearth_drift', 'Disagreements of book and machine in the last reconcile pass', [
    'subject',
    'outcome',
  ]);
  const channels = gauge('hearth_control_channels', 'Control channels of VMs that are ready', ['state']);
  const memory = gauge('hearth_memory_free_bytes', 'Memory that can still be promised to VMs');
  const disk = gauge('hearth_disk_free_bytes', 'Disk below the state folder that VMs can still have');
  const seconds = gauge('hearth_reconcile_seconds', 'What the last reconcile pass took');
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  const passes = counter('hearth_reconcile_passes_total', 'Comparisons of book and machine');
  const repairs = counter('hearth_drift_repairs_total', 'Disagreements that were repaired');
  const restarts = counter(
    'hearth_vm_restarts_total',
    'VMs that were restarted since their guest had stopped answering',
  );
  const sweeps = new Counter({
    name: 'hearth_swept_total',
    help: 'What had no record and was removed',
    labelNames: ['kind'] as const,
    registers,
  });

  const setVms = (list: readonly Pick<HostVm, 'kind' | 'state'>[]): void => {
    for (const kind of vmKinds)
      for (const state of hostVmStates)
        if (state !== 'gone')
          count.set({ kind, state }, list.filter((vm) => vm.kind === kind && vm.state === state).length);
  };
  const setDrifts = (report: DriftReport | null): void => {
    for (const subject of driftSubjects)
      for (const outcome of driftOutcomes)
        drifts.set(
          { subject, outcome },
          report?.drifts.filter((one) => one.subject === subject && one.outcome === outcome).length ?? 0,
        );
  };

  return {
    contentType: registry.contentType,
    text: async () => {
      const room = await capacity();
      addresses.set(room.addressesFree);
      slots.set({ state: 'running' }, room.starts.running);
      slots.set({ state: 'waiting' }, room.starts.waiting);
      memory.set(room.memFreeMiB * BYTES_PER_MIB);
      disk.set(room.diskFreeMiB * BYTES_PER_MIB);
      setVms(vms.list());
      const report = drift();
      setDrifts(report);
      seconds.set((report?.tookMs ?? 0) / 1000);
      follow(passes, report?.passes ?? 0);
      follow(repairs, report?.repairs ?? 0);
      follow(restarts, restarted());
      sweeps.reset();
      for (const kind of traceKinds) sweeps.inc({ kind }, swept().get(kind) ?? 0);
      const { open, closed } = vms.controlChannels();
      channels.set({ state: 'open' }, open);
      channels.set({ state: 'closed' }, closed);
      return registry.metrics();
    },
  };
}

/** Another part counts; a counter takes its sum over. */
function follow(counter: Counter, total: number): void {
  counter.reset();
  counter.inc(total);
}
