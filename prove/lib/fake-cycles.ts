import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { vmSchema, type ConfigInput, type VmId } from '@hearth/contract';
import { repository } from '@hearth/testing';
import { z } from 'zod';
import { median } from '../../bench/lib/report.ts';
import { until } from './hearth-api.ts';
import { bounded, exact, type Measured } from './measured.ts';
import { startProbed, type Held, type ProbedProcess } from './probed-process.ts';

const AT_ONCE = 4;
const SAMPLES = 20;
/** Caches fill, code is compiled: not counted. */
const WARM_UP_SHARE = 0.25;
const READY_TIMEOUT_MS = 30_000;
const MIB = 1024 * 1024;
/** Pages of a heap that was just collected come and go by as much. */
const RSS_ALLOWED_MIB = 8;
const HEAP_ALLOWED_MIB = 2;
/** Of the pool between caller, controller and host: kept open for a moment after a call. */
const CONNECTIONS_ALLOWED = AT_ONCE;

/** Creates and deletes so many VMs through the whole controller and the host's real server, on a fake VMM. */
export async function cycleFakeVms(cycles: number, say: (text: string) => void): Promise<Measured[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-leaks-'));
  try {
    return await cycleIn(folder, cycles, say);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function cycleIn(folder: string, cycles: number, say: (text: string) => void): Promise<Measured[]> {
  const stateDir = join(folder, 'state');
  const runDir = join(folder, 'run');
  const config: ConfigInput = { name: 'leaks', stateDir, runDir };
  await using host = await startProbed(join(repository, 'bench/lib/fake-vmm-host.ts'), [
    JSON.stringify({ config }),
  ]);
  await using controller = await startProbed(join(repository, 'bench/runs/controller-process.ts'), [
    join(runDir, 'host.sock'),
    join(folder, 'controller.db'),
  ]);
  const { url, token } = z
    .object({ url: z.url(), token: z.string() })
    .parse(JSON.parse(controller.firstLine));
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const show = async (id: VmId) => vmSchema.parse(await call('GET', `/api/vms/${id}`));
  const cycle = async (): Promise<void> => {
    const { id } = vmSchema.parse(await call('POST', '/api/vms', { kind: 'cli' }));
    const isOver = ({ state }: { state: string }): boolean => state === 'ready' || state === 'failed';
    const vm = await until(`${id} ready`, () => show(id), isOver, {
      timeoutMs: READY_TIMEOUT_MS,
      everyMs: 5,
    });
    if (vm.state !== 'ready') throw new Error(`${id} failed: ${vm.failure?.detail ?? ''}`);
    await call('DELETE', `/api/vms/${id}`);
    await until(
      `${id} deleted`,
      () => show(id),
      ({ state }) => state === 'deleted',
      {
        ...{ timeoutMs: READY_TIMEOUT_MS, everyMs: 5 },
      },
    );
  };
  const many = async (count: number): Promise<void> => {
    let left = count;
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await cycle();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  };

  const daemons: Readonly<Record<string, ProbedProcess>> = { controller, 'host daemon': host };
  const warmUp = Math.ceil(cycles * WARM_UP_SHARE);
  await many(warmUp);
  const before = await countFake(stateDir, runDir);
  const samples: Record<string, Held[]> = { controller: [], 'host daemon': [] };
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    await many(Math.ceil((cycles - warmUp) / SAMPLES));
    for (const [name, daemon] of Object.entries(daemons)) samples[name]?.push(await daemon.held());
    say(`fake VMM: ${warmUp + (sample + 1) * Math.ceil((cycles - warmUp) / SAMPLES)} of ${cycles} cycles`);
  }
  const after = await countFake(stateDir, runDir);
  return [
    ...Object.keys(before).map((name) => exact(`fake VMM: ${name}`, before[name] ?? 0, after[name] ?? 0)),
    ...Object.entries(samples).flatMap(([name, held]) => flatness(`fake VMM: ${name}`, held)),
  ];
}

/** Medians of the first and the last quarter. */
function flatness(name: string, held: readonly Held[]): Measured[] {
  const quarter = Math.ceil(held.length / 4);
  const first = held.slice(0, quarter);
  const last = held.slice(-quarter);
  const of = (samples: readonly Held[], pick: (one: Held) => number): number => median(samples.map(pick));
  const mib = (pick: (one: Held) => number): [number, number] => [
    of(first, pick) / MIB,
    of(last, pick) / MIB,
  ];
  return [
    bounded(`${name}: resident memory`, ...mib(({ rssBytes }) => rssBytes), 'MiB', RSS_ALLOWED_MIB),
    bounded(`${name}: heap`, ...mib(({ heapBytes }) => heapBytes), 'MiB', HEAP_ALLOWED_MIB),
    bounded(`${name}: open files`, leastFiles(first), leastFiles(last), '', CONNECTIONS_ALLOWED),
  ];
}

const leastFiles = (samples: readonly Held[]): number => Math.min(...samples.map(({ files }) => files));

async function countFake(stateDir: string, runDir: string): Promise<Record<string, number>> {
  const database = new DatabaseSync(join(stateDir, 'host.db'), { readOnly: true });
  try {
    const count = (sql: string): number => Number(database.prepare(sql).get()?.['n'] ?? 0);
    return {
      addresses: count("SELECT count(*) AS n FROM addresses WHERE json_extract(row, '$.freedOrder') IS NULL"),
      records: count('SELECT count(*) AS n FROM vms'),
      'files of disks': (await readdir(join(stateDir, 'vms'), { recursive: true })).length,
      'files in runDir': (await readdir(runDir, { recursive: true })).length,
    };
  } finally {
    database.close();
  }
}
