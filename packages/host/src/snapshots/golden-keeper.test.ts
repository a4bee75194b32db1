import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HearthError, parseConfig, type HostVm } from '@hearth/contract';
import { startGoldenKeeper, type GoldenKeeper, type KeeperOptions } from './golden-keeper.ts';
import type { WantedSnapshot } from './make-golden.ts';
import { waitForQuiet } from './quiet-host.ts';
import { testImage } from './test-golden.ts';

const size = { cpus: 1, memMiB: 1024, diskMiB: 1024 };
const wanted: WantedSnapshot[] = [
  { kind: 'cli', ...size, desktop: null },
  { kind: 'browser', ...size, desktop: { width: 800, height: 600 } },
];
let keeper: GoldenKeeper | null = null;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(async () => {
  await keeper?.close();
  vi.useRealTimers();
});

/** A store in memory; `make` puts in what is asked for. */
function start(more: Partial<KeeperOptions> = {}) {
  const there = new Set<string>();
  const steps: string[] = [];
  const options: KeeperOptions = {
    wanted,
    goldens: { has: ({ kind }) => Promise.resolve(there.has(kind)) },
    currentImage: () => Promise.resolve(testImage),
    quiet: () => Promise.resolve(),
    make: async (_image, { kind }) => {
      steps.push(`make ${kind}`);
      there.add(kind);
    },
    cleanUp: async () => {
      steps.push('clean up');
    },
    now: Date.now,
    log: () => undefined,
    ...more,
  };
  keeper = startGoldenKeeper(options);
  return { keeper, there, steps };
}

/** Lets all that needs no time happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
}

test('what is missing is made, CLI first, one after the other; what is there is not', async () => {
  const { steps, there, keeper: kept } = start();
  await settle();
  expect(steps).toEqual(['make cli', 'clean up', 'make browser', 'clean up']);
  expect(kept.making()).toBeNull();
  await vi.advanceTimersByTimeAsync(3 * 3600_000);
  expect(steps).toHaveLength(4);
  there.delete('browser');
  kept.wake();
  await settle();
  expect(steps.slice(4)).toEqual(['make browser', 'clean up']);
});

test('a failure is told and tried again, each time later', async () => {
  const at: number[] = [];
  const startMs = Date.now();
  const { keeper: kept } = start({
    wanted: wanted.slice(0, 1),
    make: async () => {
      at.push(Math.round((Date.now() - startMs) / 60_000));
      throw new HearthError('disk_full', 'no room for it');
    },
  });
  await settle();
  expect(kept.making()).toBe('cli: no room for it');
  expect(kept.failure()).toBe('cli: no room for it');
  for (let minute = 0; minute < 200; minute += 1) {
    await vi.advanceTimersByTimeAsync(60_000);
    await settle();
  }
  expect(at.slice(0, 7)).toEqual([0, 1, 3, 7, 15, 31, 63]);
  expect(at.slice(7)).toEqual([123, 183]);
});

test('the failure of one does not keep the other from being made, and is forgotten once it works', async () => {
  let broken = true;
  const made: string[] = [];
  const { keeper: kept, there } = start({
    make: async (_image, { kind }) => {
      if (broken && kind === 'cli') throw new HearthError('snapshot_unclean', 'found');
      made.push(kind);
      there.add(kind);
    },
  });
  await settle();
  expect(made).toEqual(['browser']);
  broken = false;
  await vi.advanceTimersByTimeAsync(61_000);
  await settle();
  expect(made).toEqual(['browser', 'cli']);
  expect(kept.failure()).toBeNull();
});

test('one that is refused as soon as it is made is not made over and over', async () => {
  const made: number[] = [];
  const { keeper: kept, there } = start({
    wanted: wanted.slice(0, 1),
    make: async (_image, { kind }) => {
      made.push(Date.now());
      there.add(kind);
    },
  });
  await settle();
  for (let refusal = 0; refusal < 10; refusal += 1) {
    there.clear();
    kept.wake();
    await settle();
  }
  expect(made).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(61_000);
  await settle();
  expect(made).toHaveLength(2);
});

test('what it waits for and what it does is told; closing ends either', async () => {
  const { promise: quiet, resolve: becomeQuiet } = Promise.withResolvers<undefined>();
  const ended = vi.fn();
  const { keeper: kept } = start({
    quiet: async (_one, note) => {
      note('waits until no VM boots');
      await quiet;
    },
    make: async (_image, _one, onStage, signal) => {
      onStage('searching for secrets');
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          ended();
          reject(new Error('ended'));
        });
      });
    },
  });
  await settle();
  expect(kept.making()).toBe('cli: waits until no VM boots');
  becomeQuiet(undefined);
  await settle();
  expect(kept.making()).toBe('cli: searching for secrets');
  await kept.close();
  expect(ended).toHaveBeenCalledTimes(1);
});

test('no image to make one of is a failure like any other', async () => {
  const { keeper: kept, steps } = start({
    currentImage: () => Promise.reject(new HearthError('image_missing', 'no image')),
  });
  await settle();
  expect(kept.making()).toBe('cli: no image');
  expect(steps).toEqual([]);
});

test('making waits while a VM is on its way, and for memory', async () => {
  const config = parseConfig({}, {});
  let listed: Pick<HostVm, 'state' | 'memMiB'>[] = [{ state: 'booting', memMiB: 1 }];
  const listeners = new Set<(vm: HostVm) => void>();
  const vms = {
    list: () => listed as HostVm[],
    holding: () => listed as HostVm[],
    onChange: (listener: (vm: HostVm) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const change = async (now: typeof listed): Promise<void> => {
    listed = now;
    for (const listener of listeners) listener(listed[0] as HostVm);
    await settle();
  };
  const notes: string[] = [];
  const over = vi.fn();
  const closing = new AbortController();
  void waitForQuiet(vms, config, 1, (text) => notes.push(text), closing.signal).then(over);
  await settle();
  await change([{ state: 'ready', memMiB: 10_000_000 }]);
  expect(notes).toEqual(['waits until no VM boots', 'waits for 1 MiB of memory, 0 are free']);
  expect(over).not.toHaveBeenCalled();
  await change([{ state: 'ready', memMiB: 1 }]);
  expect(over).toHaveBeenCalledTimes(1);
  expect(listeners.size).toBe(0);
  listed = [{ state: 'creating', memMiB: 1 }];
  const waiting = waitForQuiet(vms, config, 1, () => undefined, closing.signal);
  closing.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow(/enough/);
});
