import { readdir, readFile } from 'node:fs/promises';
import {
  countMachineTraces,
  makeLab,
  waitForGoldens,
  type HearthLab,
  type MachineTraces,
} from '@hearth/testing';
import { untilHealthy } from './daemons.ts';
import { hearthApi, until } from './hearth-api.ts';
import { bounded, exact, type Measured } from './measured.ts';
import { VM_SETTLE_MS } from './operations.ts';

const daemonNames = ['controller', 'host'] as const;
const WARM_UP_CYCLES = 2;
const SETTLE_TIMEOUT_MS = 20_000;
/** Few cycles, no collection at will: this only shows what grows by megabytes each time. */
const RSS_ALLOWED_MIB = 40;
/** Connections that are kept open for a moment. */
const FILES_ALLOWED = 2;

interface HeldByDaemon {
  rssMiB: number;
  files: number;
}

/** Creates, uses and deletes so many real VMs, one after the other. */
export async function cycleRealVms(cycles: number, say: (text: string) => void): Promise<Measured[]> {
  const lab = await makeLab({
    controller: { rateLimit: { max: 100_000 } },
    vms: { snapshots: { golden: true } },
  });
  try {
    await lab.up();
    await waitForGoldens(lab, ['cli']);
    await untilHealthy(lab);
    return await cycleIn(lab, cycles, say);
  } finally {
    await lab.dispose();
  }
}

async function cycleIn(lab: HearthLab, cycles: number, say: (text: string) => void): Promise<Measured[]> {
  const api = hearthApi(lab);
  const cycle = async (): Promise<void> => {
    const { id } = await api.createVm();
    const vm = await until(
      `${id} ready`,
      () => api.vm(id),
      ({ state }) => state === 'ready' || state === 'failed',
      { timeoutMs: VM_SETTLE_MS },
    );
    if (vm.state !== 'ready') throw new Error(`${id} failed: ${vm.failure?.detail ?? ''}`);
    await api.exec(id, 'true');
    await api.deleteVm(id);
    await until(
      `${id} deleted`,
      () => api.vm(id),
      ({ state }) => state === 'deleted',
      { timeoutMs: VM_SETTLE_MS },
    );
  };
  for (let turn = 0; turn < WARM_UP_CYCLES; turn += 1) await cycle();
  const before = await countMachineTraces(lab.config);
  const heldBefore = await Promise.all(daemonNames.map((name) => heldBy(lab, name)));
  for (let turn = 1; turn <= cycles; turn += 1) {
    await cycle();
    say(`real VMs: ${turn} of ${cycles} cycles`);
  }
  const names = Object.keys(before) as (keyof MachineTraces)[];
  const endMs = performance.now() + SETTLE_TIMEOUT_MS;
  let after = await countMachineTraces(lab.config);
  // Processes that look at something come and go.
  while (names.some((name) => after[name] !== before[name]) && performance.now() < endMs)
    after = await countMachineTraces(lab.config);
  const heldAfter = await Promise.all(daemonNames.map((name) => heldBy(lab, name)));
  return [
    ...names.map((name) => exact(`real VMs: ${name}`, before[name], after[name])),
    ...daemonNames.flatMap((name, index) => {
      const [was, is] = [heldBefore[index], heldAfter[index]];
      if (was === undefined || is === undefined) return [];
      return [
        bounded(`real VMs: ${name}: resident memory`, was.rssMiB, is.rssMiB, 'MiB', RSS_ALLOWED_MIB),
        bounded(`real VMs: ${name}: open files`, was.files, is.files, '', FILES_ALLOWED),
      ];
    }),
  ];
}

async function heldBy(lab: HearthLab, name: 'controller' | 'host'): Promise<HeldByDaemon> {
  const pid = await lab.pid(name);
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const rssKib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
  return { rssMiB: rssKib / 1024, files: (await readdir(`/proc/${pid}/fd`)).length };
}
