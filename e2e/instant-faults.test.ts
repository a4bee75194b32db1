import { randomBytes } from 'node:crypto';
import { chmod, open, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { snapshotManifestSchema, vmSchema, type VmKind } from '@hearth/contract';
import { countTraces, listSnapshots, makeLab, noTraces, openRoom, waitForGoldens } from '@hearth/testing';
import { expect, test } from 'vitest';
import { listImages, readImage } from '../packages/host/src/images/image-store.ts';
import { createVm, inVm, post, settled } from './instant/lab-vms.ts';
import { openScratchStore, type ScratchStore } from './instant/scratch-store.ts';
import { uncleanSchema, type UncleanInput } from './instant/unclean-messages.ts';

const STORE = process.env['HEARTH_IMAGE_STORE'] ?? '/var/cache/hearth';
const MAKE_TIMEOUT_MS = 400_000;
const REMAKE_TIMEOUT_MS = 300_000;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

test('canaries: a secret in memory or on the disk of a snapshot in the making fails it, and is not told', async () => {
  await using scratch = await openScratchStore(STORE, false);
  await using room = await openRoom();
  const [newest] = await listImages(STORE);
  if (newest === undefined) throw new Error(`${STORE} holds no image; run \`hearth image build\``);
  // Looks like a key that can open something, and is none.
  const key = `AKIA${[...randomBytes(16)].map((byte) => BASE32[byte % 32]).join('')}`;
  const known = randomBytes(20).toString('hex');
  const input: UncleanInput = {
    config: {
      ...{ name: room.name, imageStore: scratch.path, network: { uplink: 'none' } },
      ...{ stateDir: join(room.folder, 'state'), runDir: join(room.folder, 'run') },
      vms: { readyTimeoutMs: 60_000 },
    },
    image: await readImage(STORE, newest.id),
    size: { cpus: 2, memMiB: 1024, diskMiB: 1024 },
    needles: [known],
    plant: `printf %s ${key} > /dev/shm/canary; printf %s ${known} > /home/hearth/canary; sync`,
  };
  const script = join(import.meta.dirname, 'instant/unclean-maker.ts');
  const { error } = uncleanSchema.parse(await room.inside(script, input, MAKE_TIMEOUT_MS));
  expect(error?.code, error?.detail).toBe('snapshot_unclean');
  expect(error?.detail).toContain('AWS access key');
  expect(error?.detail).toMatch(/memory at byte \d+/);
  expect(error?.detail).toMatch(/upper\.ext4 at byte \d+/);
  for (const secret of [key, known]) expect(error?.detail).not.toContain(secret);
  expect(await scratch.snapshots(), 'nothing is published').toEqual([]);
});

test('a memory that was altered and a state that was cut off are refused by name; VMs boot meanwhile', async () => {
  const first = await makeLab({ vms: { snapshots: { golden: true } } });
  try {
    await first.up();
    await waitForGoldens(first);
  } finally {
    await first.dispose();
  }
  await using scratch = await openScratchStore(STORE, true);
  const goldens = await newestOfEachKind(scratch);
  const damaged = {
    cli: scratch.file(goldens.cli, 'memory'),
    browser: scratch.file(goldens.browser, 'state'),
  };
  for (const path of Object.values(damaged)) await chmod(path, 0o644);
  await flipOneByte(damaged.cli);
  await truncate(damaged.browser, (await stat(damaged.browser)).size - 100);
  const lab = await makeLab({
    imageStore: scratch.path,
    controller: { rateLimit: { max: 100_000 } },
    vms: { snapshots: { golden: true } },
  });
  try {
    await lab.up();
    const created = vmSchema.parse(await (await post(lab, '/api/vms', { kind: 'cli' })).json());
    const vm = await settled(lab, created, ['ready', 'failed'], REMAKE_TIMEOUT_MS);
    expect(vm).toMatchObject({ state: 'ready', origin: 'image' });
    expect(await inVm(lab, vm, 'hostname')).toBe(`${vm.id}\n`);
    // What of the damage was never told; one is made anew before the other is found.
    const told = new Set<string>();
    const untold = async (): Promise<string[]> => {
      const { snapshots } = await listSnapshots(lab);
      const paths = Object.values(damaged);
      for (const path of paths)
        if (snapshots.some(({ status, detail }) => status === 'invalid' && detail.includes(path)))
          told.add(path);
      return paths.filter((path) => !told.has(path));
    };
    await expect.poll(untold, { timeout: REMAKE_TIMEOUT_MS, interval: 1000 }).toEqual([]);
    const health = (await (await lab.fetch('/health')).json()) as { checks: { name: string; ok: boolean }[] };
    expect(health.checks.find(({ name }) => name.includes('snapshots'))?.ok).toBe(false);
    // It is made anew, once nobody boots, and used.
    expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
    await waitForGoldens(lab, ['cli'], REMAKE_TIMEOUT_MS);
    const clone = await createVm(lab);
    expect(clone.origin).toBe('snapshot');
    expect((await lab.cli(['vm', 'rm', clone.id])).exitCode).toBe(0);
    await expect.poll(() => countTraces(lab.config), { timeout: 10_000 }).toEqual(noTraces);
  } finally {
    await lab.dispose();
  }
});

/** What a Hearth made for its defaults. */
async function newestOfEachKind(store: ScratchStore): Promise<Record<VmKind, string>> {
  const found: Partial<Record<VmKind, string>> = {};
  let newest = '';
  for (const id of await store.snapshots()) {
    const manifest = snapshotManifestSchema.parse(
      JSON.parse(await readFile(store.file(id, 'manifest.json'), 'utf8')),
    );
    if (found[manifest.kind] !== undefined && manifest.createdAt < newest) continue;
    found[manifest.kind] = id;
    newest = manifest.createdAt;
  }
  const { cli, browser } = found;
  if (cli === undefined || browser === undefined) throw new Error('the store holds no golden snapshots yet');
  return { cli, browser };
}

/** One byte in the middle of the file's first data. */
async function flipOneByte(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  const at = 1024 * 1024;
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 0xff]), 0, 1, at);
}
