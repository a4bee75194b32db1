import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { imageEventSchema, type ImageEvent, type ImageManifest } from '@hearth/contract';
import { repository } from '@hearth/testing';
import { expect, test } from 'vitest';
import { listImages, readImage, storePaths } from '../packages/host/src/images/image-store.ts';
import { baseLayerSchema } from '../packages/host/src/images/layer-record.ts';
import { readRecipe } from '../packages/host/src/images/recipe.ts';

const runFile = promisify(execFile);

/** What is built here is built in stores of their own, beside the machine's and on the same file system. */
const STORE = process.env['HEARTH_IMAGE_STORE'] ?? '/var/cache/hearth';
const PROGRAM = join(repository, 'packages/host/src/image-main.ts');
const RECIPE = join(repository, 'image');
const AGENT = join(repository, 'packages/guest-agent/dist/agent.mjs');

async function makeStore(cleanup: AsyncDisposableStack): Promise<string> {
  const store = await mkdtemp(join(dirname(STORE), 'hearth-test-'));
  cleanup.defer(() => rm(store, { recursive: true, force: true }));
  return store;
}

interface ImageCommand {
  child: ChildProcess;
  events: ImageEvent[];
  /** Resolves with the first event that fits; rejects where the command ends without one. */
  seen(fits: (event: ImageEvent) => boolean): Promise<ImageEvent>;
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string>;
}

/** `image-main.ts …`, in a process group of its own; ended with the test at the latest. */
function startImages(cleanup: AsyncDisposableStack, store: string, ...args: string[]): ImageCommand {
  const child = spawn(process.execPath, [PROGRAM, ...args, '--store', store], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const events: ImageEvent[] = [];
  const watchers = new Set<() => void>();
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    events.push(...lines.map((line) => imageEventSchema.parse(JSON.parse(line))));
    for (const watcher of watchers) watcher();
  });
  const { promise: ended, resolve } = Promise.withResolvers<number | string>();
  child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  cleanup.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    child,
    events,
    ended,
    seen: async (fits) => {
      const { promise, resolve: onSeen } = Promise.withResolvers<ImageEvent>();
      const watcher = (): void => {
        const found = events.find(fits);
        if (found !== undefined) onSeen(found);
      };
      watchers.add(watcher);
      watcher();
      const early = ended.then(() => {
        throw new Error(`image ${args.join(' ')} ended early: ${JSON.stringify(events.slice(-3))}`);
      });
      return Promise.race([promise, early]);
    },
  };
}

/** Processes that work in a store: by command line, working folder or root (a program in the build's chroot). */
async function processesIn(store: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
      readlink(`/proc/${pid}/root`).catch(() => ''),
    ]);
    if (words.some((word) => word.includes(store))) found.push(`${pid} ${words.join(' ')}`.slice(0, 200));
  }
  return found;
}

/** Does a program have a tree of this store as its root? */
async function runsInChroot(store: string): Promise<boolean> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const roots = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/root`).catch(() => '')));
  return roots.some((root) => root.startsWith(store));
}

async function mountsIn(store: string): Promise<string[]> {
  return (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .filter((line) => line.includes(`${store}/`));
}

const buildFolders = async (store: string): Promise<string[]> =>
  (await readdir(store)).filter((name) => name.startsWith('.building-'));

const isStage =
  (stage: string) =>
  (event: ImageEvent): boolean =>
    event.type === 'stage' && event.stage === stage;

test('a build that is killed half-way leaves neither process nor mount, and the next one clears its folder', async () => {
  await using cleanup = new AsyncDisposableStack();
  const store = await makeStore(cleanup);
  const build = startImages(cleanup, store, 'build');
  await build.seen(isStage('packages'));
  // In the middle: a package's own programs run in the new tree, with /proc mounted there.
  await expect.poll(() => runsInChroot(store), { timeout: 300_000 }).toBe(true);
  const [folder = ''] = await buildFolders(store);
  build.child.kill('SIGKILL');
  expect(await build.ended).toBe('SIGKILL');
  await expect.poll(() => processesIn(store), { timeout: 15_000 }).toEqual([]);
  expect(await mountsIn(store)).toEqual([]);
  expect(await buildFolders(store)).toEqual([folder]);
  expect(await listImages(store)).toEqual([]);

  const next = startImages(cleanup, store, 'build');
  await next.seen((event) => event.type === 'message' && event.text.includes(folder));
  await next.seen(isStage('agent layer'));
  expect(await buildFolders(store)).not.toContain(folder);
  // Ended in an orderly way it clears its own.
  next.child.kill('SIGTERM');
  expect(await next.ended).toBe(1);
  expect(next.events.at(-1)).toMatchObject({ type: 'error', problem: { code: 'aborted' } });
  expect(await buildFolders(store)).toEqual([]);
  await expect.poll(() => processesIn(store), { timeout: 15_000 }).toEqual([]);
});

/** A store on a file system of that size. */
async function makeSmallStore(cleanup: AsyncDisposableStack, bytes: number): Promise<string> {
  const folder = await makeStore(cleanup);
  const file = join(folder, 'disk');
  const store = join(folder, 'store');
  await mkdir(store);
  await writeFile(file, '');
  await truncate(file, bytes);
  await runFile('mkfs.ext4', ['-q', '-F', '-m', '0', file]);
  await runFile('mount', ['-o', 'loop', file, store]);
  cleanup.defer(async () => {
    await runFile('umount', [store]);
  });
  return store;
}

const GIB = 1024 ** 3;

test('a disk that is too small refuses the build before it begins, in numbers', async () => {
  await using cleanup = new AsyncDisposableStack();
  const store = await makeSmallStore(cleanup, GIB / 4);
  const build = startImages(cleanup, store, 'build');
  expect(await build.ended).toBe(1);
  expect(build.events.at(-1), JSON.stringify(build.events.at(-1))).toMatchObject({
    type: 'error',
    problem: { code: 'disk_full' },
  });
  expect(JSON.stringify(build.events.at(-1))).toMatch(/\d+ MiB free; this build needs \d+ MiB/);
  expect(build.events.filter(({ type }) => type === 'stage')).toEqual([]);
  expect(await buildFolders(store)).toEqual([]);
});

// Which program meets it first is left to chance: apt, dpkg, npm, or ours at a copy or the log.
test.each([20, 300])(
  'a disk with %i MiB left during the build is said to be full, and nothing is left on it',
  async (leftMiB) => {
    await using cleanup = new AsyncDisposableStack();
    const store = await makeSmallStore(cleanup, 8 * GIB);
    const build = startImages(cleanup, store, 'build');
    await build.seen(isStage('packages'));
    // Something else takes the room.
    const { stdout } = await runFile('df', ['--output=avail', '-B1', store]);
    const free = Number(stdout.split('\n')[1]);
    await runFile('fallocate', ['-l', String(free - leftMiB * 1024 * 1024), join(store, 'other')]);
    expect(await build.ended).toBe(1);
    expect(build.events.at(-1), JSON.stringify(build.events.at(-1))).toMatchObject({
      type: 'error',
      problem: { code: 'disk_full' },
    });
    expect(await buildFolders(store)).toEqual([]);
    expect(await mountsIn(store)).toEqual([]);
    expect(await listImages(store)).toEqual([]);
    await expect.poll(() => processesIn(store), { timeout: 15_000 }).toEqual([]);
  },
);

/** A store that has a base layer as if it were built from the present recipe: that of the machine's store, by hard links. */
async function seedStore(cleanup: AsyncDisposableStack): Promise<{ store: string; base: string }> {
  const [newest] = await listImages(STORE);
  if (newest === undefined) throw new Error(`${STORE} holds no image; run \`hearth image build\``);
  const [layer] = (await readImage(STORE, newest.id)).layers.filter(({ role }) => role === 'base');
  const source = dirname(layer?.path ?? '');
  const record = baseLayerSchema.parse(JSON.parse(await readFile(join(source, 'layer.json'), 'utf8')));
  const store = await makeStore(cleanup);
  const paths = storePaths(store);
  const target = join(paths.layers, record.hash);
  await mkdir(target, { recursive: true });
  for (const name of ['base.ext4', 'vmlinux', 'initrd']) await link(join(source, name), join(target, name));
  const { inputsHash } = await readRecipe(RECIPE, record.suite);
  const own = JSON.stringify({ ...record, inputsHash }).replaceAll(`${source}/`, `${target}/`);
  await mkdir(join(paths.inputs, inputsHash), { recursive: true });
  for (const folder of [target, join(paths.inputs, inputsHash)])
    await writeFile(join(folder, 'layer.json'), own);
  return { store, base: join(target, 'base.ext4') };
}

async function build(cleanup: AsyncDisposableStack, store: string, agent: string) {
  const command = startImages(cleanup, store, 'build', '--agent', agent);
  // Packages would mean a base layer of its own, and minutes.
  expect(await command.ended, JSON.stringify(command.events.at(-1))).toBe(0);
  const done = command.events.at(-1);
  if (done?.type !== 'done') throw new Error(`no result: ${JSON.stringify(done)}`);
  const stages = command.events.flatMap((event) => (event.type === 'stage' ? [event.stage] : []));
  return { stages, reused: done.reused, manifest: await readImage(store, done.imageId) };
}

const layerOf = ({ layers }: ImageManifest, role: 'base' | 'agent'): string =>
  layers.find((layer) => layer.role === role)?.path ?? '';

/** A VMM that has these files open as those of a VM, and runs nothing. */
async function startIdleVmm(cleanup: AsyncDisposableStack, files: string[]): Promise<() => Promise<void>> {
  const vmm = spawn(
    'qemu-system-x86_64',
    [
      ...['-M', 'microvm', '-S', '-nodefaults', '-no-user-config', '-display', 'none'],
      ...files.flatMap((file, index) => [
        '-drive',
        `id=d${index},file=${file},format=raw,if=none,readonly=on,file.locking=off`,
      ]),
    ],
    { stdio: 'ignore' },
  );
  const over = once(vmm, 'exit');
  const end = async (): Promise<void> => {
    vmm.kill('SIGKILL');
    await over;
  };
  cleanup.defer(end);
  await expect
    .poll(
      async () => {
        const fds = await readdir(`/proc/${vmm.pid}/fd`);
        const open = await Promise.all(
          fds.map((fd) => readlink(`/proc/${vmm.pid}/fd/${fd}`).catch(() => '')),
        );
        return files.every((file) => open.includes(file));
      },
      { timeout: 20_000 },
    )
    .toBe(true);
  return end;
}

test('a change of the agent alone makes a new agent layer on the same base; an image in use is not removed', async () => {
  await using cleanup = new AsyncDisposableStack();
  const { store, base } = await seedStore(cleanup);
  const before = await stat(base);
  const changed = join(store, 'changed-agent.mjs');
  await copyFile(AGENT, changed);
  await appendFile(changed, '\n// changed\n');

  const first = await build(cleanup, store, AGENT);
  const second = await build(cleanup, store, changed);
  const again = await build(cleanup, store, changed);
  expect(second.stages).toEqual(['agent layer']);
  expect(first.manifest.layers.find(({ role }) => role === 'base')?.path).toBe(base);
  expect(layerOf(second.manifest, 'base')).toBe(base);
  expect(second.manifest.kernel).toEqual(first.manifest.kernel);
  expect(layerOf(second.manifest, 'agent')).not.toBe(layerOf(first.manifest, 'agent'));
  expect(second.manifest.id).not.toBe(first.manifest.id);
  expect([first.reused, second.reused, again.reused]).toEqual([false, false, true]);
  expect(again.manifest).toEqual(second.manifest);
  const after = await stat(base);
  expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  expect((await readdir(storePaths(store).layers)).length, 'one base, two agents').toBe(3);

  const remove = async (id: string): Promise<ImageEvent | undefined> => {
    const command = startImages(cleanup, store, 'rm', id);
    await command.ended;
    return command.events.at(-1);
  };
  const endVm = await startIdleVmm(
    cleanup,
    second.manifest.layers.map(({ path }) => path),
  );
  expect(await remove(second.manifest.id)).toMatchObject({
    type: 'error',
    problem: { code: 'image_in_use' },
  });
  expect(await readImage(store, second.manifest.id)).toEqual(second.manifest);
  expect(await remove(first.manifest.id), 'its VMs are gone; the base that it shares stays').toMatchObject({
    type: 'removed',
  });
  expect((await stat(base)).ino).toBe(before.ino);
  await endVm();
  expect(await remove(second.manifest.id)).toMatchObject({ type: 'removed' });
  expect(await readdir(storePaths(store).layers)).toEqual([]);
  expect(await readdir(storePaths(store).images)).toEqual([]);
});
