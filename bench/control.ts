import { parseConfig } from '@hearth/contract';
import { makeLab } from '@hearth/testing';
import { setTimeout as pause } from 'node:timers/promises';
import { startFakeHearth, type FakeHearth } from './control/fake-hearth.ts';
import { measureHostPasses } from './control/host-reconcile.ts';
import { cpuPercent, residentMiB } from './control/process-cost.ts';
import { measureReconcile } from './control/reconcile-cost.ts';
import { context, figure, report, say, type Figure } from './lib/report.ts';

/**
 * `hearth bench control [--json] [--check]`, as root: what many VMs cost whoever controls them. Both daemons run as processes of their
 * own, the host daemon with a fake VMM (bench/lib/fake-vmm-host.ts): lives of VMs, journal, watchdog, HTTP and database are the real ones.
 * Its network's reconcile pass is measured beside it, on a real bridge with as many TAPs.
 */
const FEW = 10;
const MANY = 1000;
const IDLE = 200;
const SHOWS = 1000;
const CREATES = 200;
const IDLE_SECONDS = 60;
/** After a start or a load: garbage, caches, journals. */
const QUIET_MS = 20_000;

const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
};

async function timed(count: number, act: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const startedMs = performance.now();
    await act();
    times.push(performance.now() - startedMs);
  }
  return times;
}

interface Latencies {
  list: number[];
  show: number[];
  create: number[];
}

/** One person with ten VMs asks, among all the others. */
async function latencies(hearth: FakeHearth, token: string): Promise<Latencies> {
  const vm = await hearth.create(token);
  const all: Latencies = { list: [], show: [], create: [] };
  // Warm-up: compiled code and prepared statements are there in both rounds.
  await timed(SHOWS / 5, async () => (await hearth.call(`/api/vms/${vm.id}`, { token })).json());
  all.list = await timed(SHOWS, async () => (await hearth.call('/api/vms', { token })).json());
  all.show = await timed(SHOWS, async () => (await hearth.call(`/api/vms/${vm.id}`, { token })).json());
  for (let index = 0; index < CREATES; index++) {
    const startedMs = performance.now();
    const { id } = await hearth.create(token);
    all.create.push(performance.now() - startedMs);
    await hearth.remove(id);
  }
  await hearth.remove(vm.id);
  return all;
}

async function measureLatencies(): Promise<Figure[]> {
  const hearth = await startFakeHearth();
  try {
    const few = await latencies(hearth, await hearth.fill(FEW));
    say(`with ${FEW} VMs: measured; making ${MANY}`);
    const token = await hearth.fill(MANY);
    const many = await latencies(hearth, token);
    const figures = (['list', 'show', 'create'] as const).flatMap((name) => [
      figure(
        `${name}: p99 with ${MANY} VMs / with ${FEW}`,
        percentile(many[name], 0.99) / percentile(few[name], 0.99),
        'x',
        { most: 2 },
      ),
      context(`  p99 with ${MANY} VMs`, percentile(many[name], 0.99), 'ms'),
      context(`  p50 with ${MANY} VMs`, percentile(many[name], 0.5), 'ms'),
    ]);
    const everything = await timed(20, async () => (await hearth.call('/api/vms?all=true')).json());
    return [
      ...figures,
      context(`an administrator's list of all ${MANY}, p50`, percentile(everything, 0.5), 'ms'),
      context(`controller's memory with ${MANY} VMs`, await residentMiB(hearth.controllerPid), 'MiB'),
      context(`host daemon's memory with ${MANY} VMs`, await residentMiB(hearth.hostPid), 'MiB'),
    ];
  } finally {
    await hearth.stop();
  }
}

/** The real daemons without VMs. */
async function measureRealIdle(): Promise<{ controller: number; host: number }> {
  const lab = await makeLab();
  try {
    await lab.up();
    await pause(QUIET_MS);
    const pids = [await lab.pid('controller'), await lab.pid('host')];
    const [controller = Number.NaN, host = Number.NaN] = await cpuPercent(pids, IDLE_SECONDS);
    return { controller, host };
  } finally {
    await lab.dispose();
  }
}

async function measureIdle(): Promise<Figure[]> {
  const empty = await measureRealIdle();
  say(
    `idle without VMs: controller ${empty.controller.toFixed(2)} %, host ${empty.host.toFixed(2)} % of a core`,
  );
  const [none, some, all] = await measureHostPasses([0, IDLE, MANY]);
  if (none === undefined || some === undefined || all === undefined) throw new Error('no pass was measured');
  const network = (some.cpuMs - none.cpuMs) / (10 * parseConfig({}, {}).host.reconcileSeconds);
  const hearth = await startFakeHearth();
  try {
    await pause(QUIET_MS);
    const [bare = Number.NaN] = await cpuPercent([hearth.hostPid], IDLE_SECONDS);
    const real = Math.max(0, empty.host - bare);
    await hearth.fill(IDLE);
    await pause(QUIET_MS);
    const pids = [hearth.controllerPid, hearth.hostPid];
    const [controller = Number.NaN, host = Number.NaN] = await cpuPercent(pids, IDLE_SECONDS);
    // What only the real host daemon does is added to what 200 lives cost.
    return [
      context(`the host's reconcile pass, for each of ${MANY} VMs`, (1000 * all.wallMs) / MANY, 'µs'),
      context('  processor time of it', (1000 * all.cpuMs) / MANY, 'µs'),
      context('  a whole pass without VMs', none.wallMs, 'ms'),
      figure(`both daemons idle with ${IDLE} VMs`, controller + host + real + network, '% of a core', {
        most: 1,
      }),
      context('  controller', controller, '%'),
      context('  host daemon: VMs, with their guests’ side', host, '%'),
      context('  host daemon: what only a real one does without VMs', real, '%'),
      context(`  host daemon: reconciling the network of ${IDLE} VMs`, network, '%'),
      figure(`controller's memory with ${IDLE} VMs`, await residentMiB(hearth.controllerPid), 'MiB', {
        most: 200,
      }),
      figure(`host daemon's memory with ${IDLE} VMs`, await residentMiB(hearth.hostPid), 'MiB', {
        most: 200,
      }),
    ];
  } finally {
    await hearth.stop();
  }
}

const idle = await measureIdle();
const calls = await measureLatencies();
report([...calls, ...(await measureReconcile(MANY)), ...idle], 'none (fake VMM)');
