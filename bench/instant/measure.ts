import { spawnSync } from 'node:child_process';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { desktopLimits, ticketSchema, vmSchema, type Vm, type VmKind } from '@hearth/contract';
import { repository, vmmPids, type HearthLab } from '@hearth/testing';
import { difference, readPng } from '../../e2e/desktop/picture.ts';
import { vmPaths } from '../../packages/host/src/vms/vm-paths.ts';
import { createVm, removeVm, untilReady, type Created } from '../lib/create-vm.ts';
import { openLoad, updateBytes } from '../lib/rfb-load.ts';
import type { BareRestoreInput } from './bare-restore.ts';

/** Milliseconds of one restore by hand (bare-restore.ts), in a namespace that goes with it. */
export function bareRestoreMs(input: BareRestoreInput): number {
  const name = `bare${process.pid}`;
  const script = join(repository, 'bench/instant/bare-restore.ts');
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', script];
  spawnSync('ip', ['netns', 'add', name]);
  try {
    const args = [`--net=/run/netns/${name}`, ...node, JSON.stringify(input)];
    const { status, stdout, stderr } = spawnSync('nsenter', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`bare restore: ${stderr}`);
    return Number(stdout);
  } finally {
    spawnSync('ip', ['netns', 'del', name]);
  }
}

const originOf = { auto: 'snapshot', cold: 'image' } as const;

/** One VM through the API; a browser VM until a viewer has its whole first picture. It is not removed. */
export async function start(lab: HearthLab, kind: VmKind, how: 'auto' | 'cold'): Promise<Created> {
  const startedMs = performance.now();
  const { vm, ms } = await createVm(lab, { kind, start: how });
  if (vm.origin !== originOf[how]) throw new Error(`${vm.id} came from ${vm.origin ?? 'nothing'}`);
  if (vm.desktop === null) return { vm, ms };
  await firstPicture(lab, vm);
  const seenMs = performance.now() - startedMs;
  await requirePicture(lab, vm);
  return { vm, ms: seenMs };
}

/** Joins the desktop as a viewer does and takes one whole picture. */
async function firstPicture(lab: HearthLab, { id, desktop }: Vm): Promise<void> {
  const answer = await lab.fetch(`/api/vms/${id}/desktop/ticket`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"mode":"view"}',
  });
  const { path } = ticketSchema.parse(await answer.json());
  const { port, address } = lab.config.controller;
  const viewer = await openLoad(port, path, address);
  const { width, height } = desktop ?? { width: 0, height: 0 };
  const { promise, resolve } = Promise.withResolvers<undefined>();
  viewer.onBytes = () => {
    if (viewer.bytes() >= updateBytes(width, height)) resolve(undefined);
  };
  viewer.request(false, width, height);
  const timer = setTimeout(() => viewer.close(), desktopLimits.slowViewerMs);
  await promise;
  clearTimeout(timer);
  viewer.close();
}

/** A desktop without a picture would be quick to send. */
async function requirePicture(lab: HearthLab, { id }: Vm): Promise<void> {
  const answer = await lab.fetch(`/api/vms/${id}/desktop/screenshot.png`);
  const picture = readPng(Buffer.from(await answer.arrayBuffer()));
  const [red = 0, green = 0, blue = 0] = picture.rgba;
  const plain = Buffer.alloc(picture.rgba.length);
  for (let at = 0; at < plain.length; at += 4) plain.set([red, green, blue, 255], at);
  if (difference(picture, { ...picture, rgba: plain }) < 0.01) throw new Error(`${id} shows nothing`);
}

/** Milliseconds until the last of so many, all asked for at once, is ready. They are removed. */
export async function manyAtOnceMs(lab: HearthLab, kind: VmKind, count: number): Promise<number> {
  const startedMs = performance.now();
  const created = await Promise.all(Array.from({ length: count }, () => createVm(lab, { kind })));
  const ms = performance.now() - startedMs;
  for (const { vm } of created) {
    if (vm.origin !== 'snapshot') throw new Error(`${vm.id} came from ${vm.origin ?? 'nothing'}`);
    await removeVm(lab, vm);
  }
  return ms;
}

export interface VmmMemory {
  allMiB: number;
  /** Of it, clones' guest memory: what is mapped from a golden snapshot. */
  guestMiB: number;
}

/** Proportional set size of all VMMs of this Hearth: a page that n processes share counts as 1/n in each. */
export async function vmmMemory(lab: HearthLab): Promise<VmmMemory> {
  const snapshots = join(lab.config.imageStore, 'snapshots');
  let all = 0;
  let guest = 0;
  for (const pid of await vmmPids(lab.config)) {
    let isGuest = false;
    for (const line of (await readFile(`/proc/${pid}/smaps`, 'utf8')).split('\n')) {
      if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) isGuest = line.includes(snapshots);
      const kib = Number(/^Pss:\s+(\d+) kB/.exec(line)?.[1] ?? 0);
      all += kib;
      if (isGuest) guest += kib;
    }
  }
  return { allMiB: all / 1024, guestMiB: guest / 1024 };
}

interface Sleep {
  hibernateMs: number;
  resumeMs: number;
  /** What was written and read again. */
  bytes: number;
  /** dd of as many bytes to the same disk with fsync, and back. */
  writeMs: number;
  readMs: number;
}

export async function sleepAndWake(lab: HearthLab, vm: Vm): Promise<Sleep> {
  const post = async (verb: string, body: string): Promise<{ ms: number; vm: Vm }> => {
    const startedMs = performance.now();
    const answer = await lab.fetch(`/api/vms/${vm.id}/${verb}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    if (!answer.ok) throw new Error(`${verb}: ${answer.status} ${await answer.text()}`);
    const told = vmSchema.parse(await answer.json());
    const then = verb === 'resume' ? await untilReady(lab, told) : told;
    return { ms: performance.now() - startedMs, vm: then };
  };
  const asleep = await post('hibernate', '{}');
  if (asleep.vm.state !== 'hibernated') throw new Error(`${vm.id} is ${asleep.vm.state}`);
  const { folder, upper } = vmPaths(lab.config, vm.id);
  const saved = await Promise.all(
    (await readdir(folder))
      .map((name) => join(folder, name))
      .filter((path) => path !== upper)
      .map(async (path) => (await stat(path)).size),
  );
  const bytes = saved.reduce((sum, size) => sum + size, 0);
  const resumed = await post('resume', '{}');
  const copy = join(lab.config.stateDir, 'dd');
  const blocks = Math.ceil(bytes / (1024 * 1024));
  // Not of zeros: some disks know those.
  dd(['if=/dev/urandom', `of=${copy}-source`, 'bs=1M', `count=${blocks}`]);
  const writeMs = dd([`if=${copy}-source`, `of=${copy}`, 'bs=1M', 'conv=fsync']);
  const readMs = dd([`if=${copy}`, 'of=/dev/null', 'bs=1M']);
  await rm(copy);
  await rm(`${copy}-source`);
  return { hibernateMs: asleep.ms, resumeMs: resumed.ms, bytes, writeMs, readMs };
}

function dd(args: readonly string[]): number {
  const startedMs = performance.now();
  const { status, stderr } = spawnSync('dd', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`dd: ${stderr}`);
  return performance.now() - startedMs;
}
