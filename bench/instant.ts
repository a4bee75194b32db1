import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  imageManifestSchema,
  snapshotManifestSchema,
  vmSchema,
  type Snapshot,
  type Vm,
  type VmKind,
} from '@hearth/contract';
import { makeLab, waitForGoldens, type HearthLab } from '@hearth/testing';
import { z } from 'zod';
import type { BareRestoreInput } from './instant/bare-restore.ts';
import { startCpuLoad } from './instant/cpu-load.ts';
import { bareRestoreMs, manyAtOnceMs, sleepAndWake, start, vmmMemory } from './instant/measure.ts';
import { createVm, removeVm } from './lib/create-vm.ts';
import { context, figure, median, report, say, type Figure } from './lib/report.ts';

/**
 * `hearth bench instant [--json] [--check]` (by hand also --rounds N, and --only PART for a quick look): what a VM from a golden
 * snapshot costs beside a restore of the same files by hand and beside a cold boot, on a quiet machine and with a busy process on
 * each core; what a warm one costs, what clones cost together, and what hibernation costs. Ratios within this run.
 */
const option = (name: string): string | undefined => {
  const index = process.argv.indexOf(name);
  return index === -1 ? undefined : process.argv[index + 1];
};
const parts = ['restore', 'browser', 'many', 'memory', 'hibernate', 'warm', 'loaded'] as const;
const only = option('--only');
if (only !== undefined && !parts.some((part) => part === only))
  throw new Error(`there is no part "${only}": ${parts.join(', ')}`);
const wanted = (part: (typeof parts)[number]): boolean => only === undefined || only === part;
const rounds = Number(option('--rounds') ?? 5);
/** Cold boots are long, and their times vary little. */
const coldRounds = Math.min(rounds, 3);
const MANY = 8;
/** Clones are as they were when they got ready; what follows in the guest's background isn't theirs. */
const SETTLE_MS = 2000;
const WARM_TIMEOUT_MS = 120_000;

const figures: Figure[] = [];
const seconds = (ms: number): number => ms / 1000;

async function inputOf(lab: HearthLab, { id }: Snapshot): Promise<BareRestoreInput> {
  const read = async (...path: string[]): Promise<unknown> =>
    JSON.parse(await readFile(join(lab.config.imageStore, ...path, 'manifest.json'), 'utf8'));
  const snapshot = snapshotManifestSchema.parse(await read('snapshots', id));
  return { snapshot, image: imageManifestSchema.parse(await read('images', snapshot.imageId)) };
}

/** Restores through the API and by hand in turn. */
async function restores(lab: HearthLab, input: BareRestoreInput): Promise<{ hearth: number; bare: number }> {
  const hearthMs: number[] = [];
  const bareMs: number[] = [];
  const measureHearth = async (): Promise<void> => {
    const { ms, vm } = await start(lab, 'cli', 'auto');
    hearthMs.push(ms);
    await removeVm(lab, vm);
  };
  const measureBare = (): Promise<void> => {
    bareMs.push(bareRestoreMs(input));
    return Promise.resolve();
  };
  for (let round = 1; round <= rounds; round += 1) {
    for (const measure of round % 2 === 0 ? [measureHearth, measureBare] : [measureBare, measureHearth])
      await measure();
    const [bare, hearth] = [bareMs.at(-1) ?? 0, hearthMs.at(-1) ?? 0];
    say(`restore, round ${round}: by hand ${bare.toFixed(0)} ms, through the API ${hearth.toFixed(0)} ms`);
  }
  return { hearth: median(hearthMs), bare: median(bareMs) };
}

/** Median milliseconds of a kind, from the snapshot and cold in turn. */
async function againstCold(lab: HearthLab, kind: VmKind): Promise<{ restored: number; cold: number }> {
  const restored: number[] = [];
  const cold: number[] = [];
  for (let round = 1; round <= coldRounds; round += 1) {
    for (const [how, list] of [
      ['auto', restored],
      ['cold', cold],
    ] as const) {
      const { ms, vm } = await start(lab, kind, how);
      list.push(ms);
      await removeVm(lab, vm);
    }
    const words = [restored, cold].map((list) => (list.at(-1) ?? 0).toFixed(0));
    say(`${kind}, round ${round}: restored ${words[0]} ms, cold ${words[1]} ms`);
  }
  return { restored: median(restored), cold: median(cold) };
}

async function speed(lab: HearthLab, input: BareRestoreInput, where: 'quiet' | 'loaded'): Promise<void> {
  if (where === 'loaded' || wanted('restore')) {
    const { hearth, bare } = await restores(lab, input);
    const { restored, cold } = await againstCold(lab, 'cli');
    figures.push(
      figure(`restore through the API / by hand (${where})`, hearth / bare, 'ratio', { most: 1.1 }),
      context('  by hand to the agent (median)', seconds(bare), 's'),
      context('  through the API to ready (median)', seconds(hearth), 's'),
      figure(`cold boot / restore, cli (${where})`, cold / restored, 'ratio', { least: 8 }),
      context('  cold boot to ready (median)', seconds(cold), 's'),
    );
  }
  if (where === 'loaded' || wanted('browser')) {
    const { restored, cold } = await againstCold(lab, 'browser');
    figures.push(
      figure(`cold boot / restore, browser, to a picture (${where})`, cold / restored, 'ratio', {
        least: 20,
      }),
      context('  restore to a picture (median)', seconds(restored), 's'),
      context('  cold boot to a picture (median)', seconds(cold), 's'),
    );
  }
}

async function together(lab: HearthLab): Promise<void> {
  const one: number[] = [];
  const many: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    one.push(await manyAtOnceMs(lab, 'cli', 1));
    many.push(await manyAtOnceMs(lab, 'cli', MANY));
    say(
      `round ${round}: one ${(one.at(-1) ?? 0).toFixed(0)} ms, ${MANY} ${(many.at(-1) ?? 0).toFixed(0)} ms`,
    );
  }
  figures.push(
    figure(`${MANY} clones at once / one`, median(many) / median(one), 'ratio', { most: 6 }),
    context(`  all ${MANY} ready (median)`, seconds(median(many)), 's'),
  );
}

/** PSS of all VMMs: of a cold VM, of the first clone alone, and what each of the others adds. */
async function memory(lab: HearthLab, kind: VmKind, count: number): Promise<void> {
  const cold = await start(lab, kind, 'cold');
  await pause(SETTLE_MS);
  const { allMiB: coldMiB } = await vmmMemory(lab);
  await removeVm(lab, cold.vm);
  const clones: Vm[] = [(await createVm(lab, { kind })).vm];
  await pause(SETTLE_MS);
  const first = await vmmMemory(lab);
  while (clones.length < count) clones.push((await createVm(lab, { kind })).vm);
  await pause(SETTLE_MS);
  const all = await vmmMemory(lab);
  const addedMiB = (all.allMiB - first.allMiB) / (count - 1);
  const addedGuestMiB = (all.guestMiB - first.guestMiB) / (count - 1);
  for (const vm of clones) await removeVm(lab, vm);
  figures.push(
    figure(`memory that a further ${kind} clone adds / its first`, addedMiB / first.allMiB, 'ratio', {
      most: 0.25,
    }),
    context('  the same of the guest’s memory alone', addedGuestMiB / first.guestMiB, 'ratio'),
    context('  a further clone / a cold VM', addedMiB / coldMiB, 'ratio'),
    context(`  a cold ${kind} VM (PSS of its VMM)`, coldMiB, 'MiB'),
    context('  the first clone alone', first.allMiB, 'MiB'),
    context('  of it the guest’s memory', first.guestMiB, 'MiB'),
    context(`  each of ${count - 1} more`, addedMiB, 'MiB'),
    context('  of it the guest’s memory', addedGuestMiB, 'MiB'),
  );
}

async function hibernation(lab: HearthLab): Promise<void> {
  const { vm } = await createVm(lab, { kind: 'cli' });
  const sleeps: Awaited<ReturnType<typeof sleepAndWake>>[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const sleep = await sleepAndWake(lab, vm);
    sleeps.push(sleep);
    const [down, up] = [sleep.hibernateMs, sleep.resumeMs].map((ms) => ms.toFixed(0));
    say(`hibernation, round ${round}: ${down} ms, back ${up} ms, ${(sleep.bytes / 1e6).toFixed(0)} MB`);
  }
  await removeVm(lab, vm);
  const of = (name: keyof (typeof sleeps)[0]): number => median(sleeps.map((sleep) => sleep[name]));
  figures.push(
    context('hibernating / dd with fsync of the same bytes', of('hibernateMs') / of('writeMs'), 'ratio'),
    context('  hibernating (median)', seconds(of('hibernateMs')), 's'),
    context('  dd there', seconds(of('writeMs')), 's'),
    context('  saved', of('bytes') / 1e6, 'MB'),
    context('resuming / dd of the same bytes', of('resumeMs') / of('readMs'), 'ratio'),
    context('  resuming to ready (median)', seconds(of('resumeMs')), 's'),
    context('  dd back', seconds(of('readMs')), 's'),
  );
}

/** Milliseconds until a VM is one's own, where one waits. */
async function warm(): Promise<void> {
  const lab = await makeLab({ vms: { snapshots: { golden: true }, warm: { cli: 1 } } });
  try {
    await lab.up();
    await waitForGoldens(lab, ['cli']);
    const tookMs: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      await untilWarm(lab);
      const { ms, vm } = await createVm(lab, { kind: 'cli' });
      if (!vm.timeline.phases.some(({ phase }) => phase === 'taken'))
        throw new Error(`${vm.id} was not taken from the warm ones`);
      tookMs.push(ms);
      say(`warm, round ${round}: ${ms.toFixed(0)} ms`);
      await removeVm(lab, vm);
    }
    figures.push(figure('taking a warm VM, in the API', median(tookMs), 'ms', { most: 150 }));
  } finally {
    await lab.dispose();
  }
}

async function untilWarm(lab: HearthLab): Promise<void> {
  const endMs = performance.now() + WARM_TIMEOUT_MS;
  for (;;) {
    const { vms } = z
      .object({ vms: z.array(vmSchema) })
      .parse(await (await lab.fetch('/api/vms?all=true')).json());
    if (vms.some(({ userId, state }) => userId === null && state === 'ready')) return;
    if (performance.now() > endMs) throw new Error('no VM is kept warm');
    await pause(100);
  }
}

let accelerator = 'none';
if (only !== 'warm') {
  const lab = await makeLab({ vms: { snapshots: { golden: true } } });
  try {
    say('bringing up a Hearth of its own, with golden snapshots …');
    await lab.up();
    const [golden] = await waitForGoldens(lab);
    if (golden === undefined) throw new Error('there is no golden snapshot');
    const input = await inputOf(lab, golden);
    ({ accelerator } = input.snapshot.machine);
    // Files and code that the first one reads are at hand for the rest, in either way.
    await removeVm(lab, (await createVm(lab, { kind: 'cli' })).vm);
    bareRestoreMs(input);
    await speed(lab, input, 'quiet');
    if (wanted('many')) await together(lab);
    if (wanted('memory')) {
      await memory(lab, 'cli', MANY);
      await memory(lab, 'browser', 3);
    }
    if (wanted('hibernate')) await hibernation(lab);
    if (wanted('loaded')) {
      say('the same with a busy process on each core …');
      await using _load = await startCpuLoad();
      await speed(lab, input, 'loaded');
    }
  } finally {
    await lab.dispose();
  }
}
if (wanted('warm')) await warm();
report(figures, accelerator);
