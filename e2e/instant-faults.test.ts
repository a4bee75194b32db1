import { randomBytes } from 'node:crypto';
import { chmod, open, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { vmSchema } from '@hearth/contract';
import { countTraces, makeLab, noTraces, openRoom, waitForGoldens } from '@hearth/testing';
import { expect, test } from 'vitest';
import { listImages, readImage } from '../packages/host/src/images/image-store.ts';
import { createVm, inVm, post, settled } from './instant/lab-vms.ts';
import { openScratchStore } from './instant/scratch-store.ts';
import { uncleanSchema, type UncleanInput } from './instant/unclean-maker.ts';

const STORE = process.env['HEARTH_IMAGE_STORE'] ?? '/var/cache/hearth';
const MAKE_TIMEOUT_MS = 400_000;
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
  await using scratch = await openScratchStore(STORE, true);
  const lab = await makeLab({ imageStore: scratch.path, vms: { snapshots: { golden: true } } });
  try {
    await lab.up();
    const damages: ['memory' | 'state', (path: string) => Promise<void>][] = [
      ['memory', flipOneByte],
      ['state', async (path) => truncate(path, (await stat(path)).size - 100)],
    ];
    for (const [name, damage] of damages) {
      const [golden] = await waitForGoldens(lab, ['cli']);
      const path = scratch.file(golden?.id ?? '', name);
      await chmod(path, 0o644);
      await damage(path);

      const created = vmSchema.parse(await (await post(lab, '/api/vms', { kind: 'cli' })).json());
      const named = async (): Promise<string> => {
        const health = (await (await lab.fetch('/health')).json()) as {
          checks: { name: string; detail: string }[];
        };
        return JSON.stringify(health.checks.filter((check) => check.name.includes('snapshots')));
      };
      await expect.poll(named, { timeout: 60_000 }).toContain(path);
      const vm = await settled(lab, created, ['ready', 'failed'], 240_000);
      expect(vm, name).toMatchObject({ state: 'ready', origin: 'image' });
      expect(await inVm(lab, vm, 'hostname')).toBe(`${vm.id}\n`);
      expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
    }
    // It is made anew, and used.
    await waitForGoldens(lab, ['cli']);
    const vm = await createVm(lab);
    expect(vm.origin).toBe('snapshot');
    expect((await lab.cli(['vm', 'rm', vm.id])).exitCode).toBe(0);
    await expect.poll(() => countTraces(lab.config), { timeout: 10_000 }).toEqual(noTraces);
  } finally {
    await lab.dispose();
  }
});

/** One byte in the middle of the file's first data. */
async function flipOneByte(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  const at = 1024 * 1024;
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 0xff]), 0, 1, at);
}
