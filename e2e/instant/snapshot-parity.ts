import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { access, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  guestReportSchema,
  HearthError,
  startProgress,
  withAbort,
  type GuestMessage,
  type GuestReport,
  type Progress,
} from '@hearth/contract';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openControlChannel } from '../../packages/host/src/guest-link/control-channel.ts';
import type { MemoryFile, RunningVmm, Vmm, VmmSpec } from '../../packages/host/src/vmm/vmm.ts';

const runFile = promisify(execFile);
const BOOT_TIMEOUT_MS = 240_000;
const STEP_TIMEOUT_MS = 60_000;
const MEM_MIB = 512;
/** Less than the memory of any guest, and more than a file's name. */
const SMALL_DISK_BYTES = 4 * 1024 * 1024;

/** Where a driver runs VMs of a test; disposing of it ends what is left of them. */
export interface ParityPlace extends AsyncDisposable {
  vmm: Vmm;
  folder: string;
  /** A spec with paths and a TAP of its own. */
  specOf(name: string, upper: string, memMiB: number, memory: MemoryFile | null): Promise<VmmSpec>;
  /** An empty disk for a guest, copied; the path of the copy. */
  copyDisk(name: string, from: string | null): Promise<string>;
}

/**
 * What every VMM driver with snapshots must do, shown with a guest of the golden image: it comes back from files as it was, files
 * that are shared stay as they are, and where saving or loading fails nothing is left.
 */
export function snapshotParity(name: string, open: () => Promise<ParityPlace>): void {
  describe(`snapshots of ${name}`, () => {
    let place: ParityPlace;
    let golden: { memory: string; state: string; upper: string; bootId: string };
    const running: RunningVmm[] = [];
    const progress = (what: string, timeoutMs = STEP_TIMEOUT_MS): Progress =>
      startProgress({ what, timeoutMs });
    const kept = (vmm: RunningVmm): RunningVmm => {
      running.push(vmm);
      return vmm;
    };
    const verbs = (): NonNullable<Vmm['snapshots']> => {
      if (place.vmm.snapshots === null) throw new Error(`${name} can't snapshot`);
      return place.vmm.snapshots;
    };
    const end = async (vmm: RunningVmm): Promise<void> => {
      running.splice(running.indexOf(vmm), 1);
      await vmm.kill();
    };
    let count = 0;
    /** A paused clone of the golden files. */
    const clone = async (): Promise<{ spec: VmmSpec; vmm: RunningVmm }> => {
      const title = `clone${++count}`;
      const upper = await place.copyDisk(title, golden.upper);
      const spec = await place.specOf(title, upper, MEM_MIB, { path: golden.memory, shared: false });
      const vmm = kept(await verbs().load(spec, golden.state, progress(`load of ${title}`), () => undefined));
      return { spec, vmm };
    };

    beforeAll(async () => {
      place = await open();
      if (place.vmm.snapshots === null) {
        process.stderr.write(`SKIPPED: ${name} can't snapshot, so none of its snapshots is tested\n`);
        return;
      }
      const memory = join(place.folder, 'memory');
      const state = join(place.folder, 'state');
      const upper = await place.copyDisk('golden', null);
      const spec = await place.specOf('golden', upper, MEM_MIB, { path: memory, shared: true });
      const vmm = kept(await place.vmm.start(spec, progress('start', BOOT_TIMEOUT_MS), () => undefined));
      const { bootId } = await reportOf(vmm, progress('boot', BOOT_TIMEOUT_MS));
      await vmm.pause(progress('pause'));
      const saved = await vmm.save(state, progress('save'));
      expect(saved).toEqual({ bytes: (await stat(state)).size, sha256: await sha256(state) });
      await end(vmm);
      golden = { memory, state, upper, bootId };
    });
    afterEach(async () => {
      for (const vmm of running.splice(0)) await vmm.kill();
    });
    afterAll(() => place[Symbol.asyncDispose]());

    /** Counts as skipped where the driver can't. */
    const able = (what: string, body: () => Promise<void>): void =>
      test(what, async ({ skip }) => {
        if (place.vmm.snapshots === null) skip(`${name} can't snapshot`);
        await body();
      });

    able('a machine is described by what decides whether a snapshot fits', async () => {
      const machine = await verbs().machine();
      expect(machine.vmm.name).toBe(place.vmm.name);
      expect(machine.vmm.version).toMatch(/\d+\.\d+/);
      expect(await verbs().machine(), 'the same each time').toEqual(machine);
    });

    able('clones go on where the golden stopped, and write nothing into its files', async () => {
      const before = await Promise.all([golden.memory, golden.state].map(sha256));
      expect((await stat(golden.state)).size, 'devices only').toBeLessThan(16 * 1024 * 1024);
      const [one, two] = [await clone(), await clone()];
      for (const { vmm } of [one, two]) await vmm.resume(progress('resume'));
      for (const { vmm } of [one, two]) {
        // It runs and answers out of its own memory.
        expect((await reportOf(vmm, progress('report'))).bootId).toBe(golden.bootId);
      }
      expect(await privateKiB(one.vmm.process.pid), 'it has written pages of its own').toBeGreaterThan(1024);
      await end(one.vmm);
      expect((await reportOf(two.vmm, progress('report'))).bootId).toBe(golden.bootId);
      await end(two.vmm);
      expect(await Promise.all([golden.memory, golden.state].map(sha256))).toEqual(before);
    });

    able('a clone saved with its memory comes back without the golden file, also twice', async () => {
      const { spec, vmm } = await clone();
      await vmm.resume(progress('resume'));
      const before = await reportOf(vmm, progress('report'));
      await vmm.pause(progress('pause'));
      const saved = join(place.folder, 'hibernated');
      expect((await vmm.save(saved, progress('save'))).sha256).toBe(await sha256(saved));
      expect((await stat(saved)).size, 'memory is in it').toBeGreaterThan(16 * 1024 * 1024);
      // Saving leaves it as it was: it could go on.
      await vmm.resume(progress('resume'));
      expect((await reportOf(vmm, progress('report'))).bootId).toBe(before.bootId);
      await end(vmm);
      const own = { ...spec, memory: null };
      for (const round of ['first', 'second']) {
        const back = kept(await verbs().load(own, saved, progress(`${round} load`), () => undefined));
        await back.resume(progress('resume'));
        const after = await reportOf(back, progress('report'));
        expect(after).toMatchObject({ bootId: golden.bootId, hostname: before.hostname });
        await end(back);
      }
      await rm(saved);
    });

    able('a state file of garbage, or cut off, is refused by name and leaves no process', async () => {
      const whole = await readFile(golden.state);
      const bad: Record<string, Buffer> = {
        garbage: Buffer.alloc(whole.length, 'no state at all '),
        empty: Buffer.alloc(0),
        'cut off': whole.subarray(0, Math.floor(whole.length / 2)),
        'of another kind': Buffer.concat([Buffer.from('QEVM'), Buffer.alloc(4096, 0xff)]),
      };
      for (const [what, bytes] of Object.entries(bad)) {
        const state = join(place.folder, 'bad-state');
        await writeFile(state, bytes);
        const spawned: number[] = [];
        const title = `bad${++count}`;
        const upper = await place.copyDisk(title, golden.upper);
        const spec = await place.specOf(title, upper, MEM_MIB, { path: golden.memory, shared: false });
        const loading = verbs().load(spec, state, progress(`load of ${what}`), ({ pid }) =>
          spawned.push(pid),
        );
        const error: unknown = await loading.then(kept, (reason: unknown) => reason);
        expect(error, what).toBeInstanceOf(HearthError);
        expect((error as HearthError).code, `${what}: ${String(error)}`).toBe('snapshot_invalid');
        for (const pid of spawned) expect(await runs(pid), what).toBe(false);
        await expectNoSockets(spec);
      }
    });

    able(
      'a disk that is full while saving: said so, nothing half-made is left, and the VM goes on',
      async () => {
        const small = join(place.folder, 'small');
        const path = join(small, 'state');
        await mkdir(small);
        await runFile('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES},mode=777`, 'tmpfs', small]);
        try {
          const { vmm } = await clone();
          await vmm.resume(progress('resume'));
          const { bootId } = await reportOf(vmm, progress('report'));
          await vmm.pause(progress('pause'));
          const error: unknown = await vmm.save(path, progress('save')).catch((reason: unknown) => reason);
          expect((error as HearthError | undefined)?.code, String(error)).toBe('disk_full');
          expect(await exists(path), 'nothing half-made').toBe(false);
          await vmm.resume(progress('resume'));
          expect((await reportOf(vmm, progress('report'))).bootId).toBe(bootId);
          // And it can be saved once there is room.
          await runFile('mount', ['-o', `remount,size=${2 * MEM_MIB}m`, small]);
          await vmm.pause(progress('pause'));
          await vmm.save(path, progress('save'));
          expect((await stat(path)).size).toBeGreaterThan(SMALL_DISK_BYTES);
          await end(vmm);
        } finally {
          await runFile('umount', [small]);
        }
      },
    );

    able('a VMM killed while it loads, or a load called off: an error, and nothing is left', async () => {
      // Long enough to be under way for some time: the whole memory.
      const { vmm } = await clone();
      const saved = join(place.folder, 'large');
      await vmm.save(saved, progress('save'));
      await end(vmm);
      for (const how of ['killed', 'called off'] as const) {
        const title = `ended${++count}`;
        const upper = await place.copyDisk(title, golden.upper);
        const spec = await place.specOf(title, upper, MEM_MIB, null);
        const off = new AbortController();
        const spawned: number[] = [];
        const within = startProgress({ what: 'load', timeoutMs: STEP_TIMEOUT_MS, signal: off.signal });
        const loading = verbs().load(spec, saved, within, ({ pid }) => {
          spawned.push(pid);
          if (how === 'killed') process.kill(pid, 'SIGKILL');
          else off.abort(new HearthError('aborted', 'called off'));
        });
        const error: unknown = await loading.then(kept, (reason: unknown) => reason);
        expect(error, how).toBeInstanceOf(HearthError);
        // It says nothing about the file, which stays in use.
        expect((error as HearthError).code, String(error)).toBe(how === 'killed' ? 'vmm_failed' : 'aborted');
        expect(spawned.length, how).toBe(1);
        for (const pid of spawned) expect(await runs(pid), how).toBe(false);
      }
      await rm(saved);
    });
  });
}

/** The guest's own view, once its agent speaks. */
async function reportOf(vmm: RunningVmm, progress: Progress): Promise<GuestReport> {
  const { promise: greeted, resolve: onHello } = Promise.withResolvers<undefined>();
  const onMessage = ({ type }: GuestMessage): void => {
    if (type === 'hello') onHello(undefined);
  };
  const channel = openControlChannel(await vmm.openControl(progress), onMessage, () => undefined);
  try {
    await withAbort(greeted, progress.signal);
    return guestReportSchema.parse(await channel.request({ type: 'report' }, progress));
  } finally {
    channel.close();
    await channel.closed;
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** A process that ended and was not yet asked how has nothing but its number. */
async function runs(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text !== '' && text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3) !== 'Z';
}

async function expectNoSockets({ controlSocketPath, monitorSocketPath, pidPath }: VmmSpec): Promise<void> {
  for (const path of [controlSocketPath, monitorSocketPath, pidPath])
    expect(await exists(path), path).toBe(false);
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function privateKiB(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Private_Dirty:\s+(\d+) kB/m.exec(text)?.[1]);
}
