import { randomBytes } from 'node:crypto';
import { chmod, copyFile, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  HearthError,
  makeId,
  Secret,
  snapshotIdSchema,
  startProgress,
  vmIdSchema,
  type Config,
  type Geometry,
  type ImageManifest,
  type Log,
  type SnapshotId,
  type SnapshotMachine,
  type SnapshotManifest,
  type VmId,
} from '@hearth/contract';
import { copySparse } from '../disks/copy-sparse.ts';
import { freeMiB } from '../disks/private-disk.ts';
import { run } from '../exec/run.ts';
import type { AgentClient, AgentEndpoint } from '../guest-link/agent-client.ts';
import { hashSparseFile, hashValue } from '../images/content-hash.ts';
import { openImageSource } from '../images/image-source.ts';
import { storePaths, writeJson } from '../images/image-store.ts';
import { makeBuildFolder, removeTree } from '../images/leftovers.ts';
import { isMissing } from '../images/missing-file.ts';
import { openRuntime, type Runtime } from '../runtime.ts';
import { vmPaths } from '../vms/vm-paths.ts';
import { kernelHash, type WantedGolden } from './fitness.ts';
import { searchGolden } from './hygiene/search-golden.ts';
import {
  goldenFiles,
  openSnapshots,
  publishSnapshot,
  readSnapshot,
  snapshotPaths,
  type SnapshotPaths,
} from './snapshot-store.ts';
import { rememberVerified, takeFingerprints, verifySnapshot } from './wholeness.ts';

/** Counted up where what a maker does to its VM changes: older snapshots are then made anew. */
const MAKER_VERSION = 1;
/** Known to everybody, and so no secret that a snapshot could give away; every clone gets its own before it is reachable. */
export const MAKER_TOKEN = 'this-token-of-a-snapshot-in-the-making-is-public';
export const MAKER_VNC_PASSWORD = 'golden00';
/** Longest wait for the VM; the host's own deadlines end it earlier. */
const BOOT_TIMEOUT_MS = 15 * 60_000;
const SAVE_TIMEOUT_MS = 5 * 60_000;
const FILE_TIMEOUT_MS = 15 * 60_000;
/** Beside memory and what of the disk is written during a boot. */
const SPARE_DISK_MIB = 1024;

export interface WantedSnapshot extends WantedGolden {
  /** null for a kind without a screen. */
  desktop: Geometry | null;
}

export interface MakeGoldenOptions {
  /** Of the room that this runs in. */
  config: Config;
  image: ImageManifest;
  wanted: WantedSnapshot;
  /** Known secrets that must be nowhere in it. */
  needles: readonly string[];
  signal: AbortSignal;
  onStage: (stage: string) => void;
  log: Log;
  /** For tests of the search: does something to the VM before it is saved. */
  beforeSave?: (agents: AgentClient, endpoint: AgentEndpoint) => Promise<void>;
}

/**
 * Boots a VM of this kind and size that nobody uses, saves it and publishes it, unless a whole one of the same inputs is there.
 * Runs inside a room, holding the lock of snapshots. Leaves nothing half-made.
 * Throws snapshot_failed, snapshot_unclean, disk_full.
 */
export async function makeGolden(options: MakeGoldenOptions): Promise<{ id: SnapshotId; reused: boolean }> {
  const { config, image, wanted, signal, onStage, log } = options;
  const store = config.imageStore;
  const parent = await openSnapshots(store);
  const images = { ...openImageSource(store), current: () => Promise.resolve(image) };
  const bootSecrets = () => ({ token: new Secret(MAKER_TOKEN), vncPassword: new Secret(MAKER_VNC_PASSWORD) });
  const runtime = await openRuntime({ config, images, bootSecrets, signal, log });
  try {
    onStage('probe boot');
    const vmm = await runtime.vmmSource.vmm();
    const machine = await vmm.snapshots?.machine();
    if (machine === undefined) throw new HearthError('snapshot_failed', `${vmm.name} makes no snapshots`);
    const id = snapshotIdOf(image, wanted, machine);
    if (await isThere(store, id, signal)) return { id, reused: true };
    await requireSpace(parent, wanted.memMiB + SPARE_DISK_MIB);
    const folder = await makeBuildFolder(parent, randomBytes(4).toString('hex'));
    try {
      const paths = snapshotPaths(folder);
      const controls = await bootAndSave(options, runtime, paths);
      const manifest = await describe(options, { id, machine, paths, controls });
      onStage('publishing');
      await seal(paths, manifest);
      await publishSnapshot(store, folder, id);
      await syncPath(parent);
      return { id, reused: false };
    } finally {
      await removeTree(folder);
    }
  } finally {
    await runtime.close();
  }
}

/** Follows from all that decides what is in a snapshot, and where it can be restored. */
export function snapshotIdOf(
  image: Pick<ImageManifest, 'id'>,
  { kind, cpus, memMiB, diskMiB, desktop }: WantedSnapshot,
  machine: SnapshotMachine,
): SnapshotId {
  const { vmm, accelerator, model, processor, tscKhz } = machine;
  const hash = hashValue({
    ...{ maker: MAKER_VERSION, image: image.id, kind, cpus, memMiB, diskMiB },
    desktop: desktop === null ? null : [desktop.width, desktop.height],
    ...{ vmm: [vmm.name, vmm.version], accelerator, model, processor, tscKhz },
  });
  return snapshotIdSchema.parse(`snp-${hash.slice(0, 12)}`);
}

/** One that is damaged counts as none: it is replaced. */
async function isThere(store: string, id: SnapshotId, signal: AbortSignal): Promise<boolean> {
  try {
    const stored = await readSnapshot(store, id);
    if (stored.damage !== null) return false;
    await verifySnapshot(stored, signal);
    return true;
  } catch (error) {
    if (error instanceof HearthError && ['not_found', 'snapshot_invalid'].includes(error.code)) return false;
    throw error;
  }
}

async function requireSpace(folder: string, neededMiB: number): Promise<void> {
  const free = await freeMiB(folder);
  if (free < neededMiB)
    throw new HearthError('disk_full', `${folder} has ${free} MiB free; a snapshot needs ${neededMiB} MiB`);
}

/** Returns values that are surely in memory and on the disk of what was saved. */
async function bootAndSave(
  { config, image, wanted, signal, onStage, log, beforeSave }: MakeGoldenOptions,
  { vms, agents }: Runtime,
  paths: SnapshotPaths,
): Promise<string[]> {
  const { kind } = wanted;
  const id = vmIdSchema.parse(makeId('vm', randomBytes));
  onStage(`boot of a ${kind} VM`);
  try {
    vms.create(
      id,
      { ...wanted, requestedAtMs: Date.now(), requestId: `golden-${kind}` },
      { imageId: image.id, goldenMemory: paths.memory },
    );
    const boot = startProgress({ what: `boot of a ${kind} VM`, timeoutMs: BOOT_TIMEOUT_MS, signal });
    const vm = await vms.waitFor(id, ({ state }) => state === 'ready' || state === 'failed', boot);
    if (vm.failure !== null)
      throw new HearthError('snapshot_failed', `its VM: ${vm.failure.title}: ${vm.failure.detail}`);
    if (vm.address === null) throw new HearthError('internal', `VM ${id} is ready without an address`);
    await beforeSave?.(agents, vms.makersEndpoint(id));
    onStage('saving memory and devices');
    await vms.saveGolden(
      id,
      paths.state,
      startProgress({ what: 'saving the VM', timeoutMs: SAVE_TIMEOUT_MS, signal, log }),
    );
    onStage('copying the disk');
    await copySparse(vmPaths(config, id).upper, paths.upper, { signal, code: 'snapshot_failed' });
    return [vm.address.machineId];
  } finally {
    await keepLogs(config, image, kind, id);
    await vms.destroy(id);
  }
}

/** Console and VMM's words of a maker outlive its room (F13). */
async function keepLogs(config: Config, { id }: ImageManifest, kind: string, vmId: VmId): Promise<void> {
  const { console, vmmLog } = vmPaths(config, vmId);
  const kept = join(storePaths(config.imageStore).logs, `golden-${id}-${kind}`);
  for (const [from, to] of [
    [console.logPath, `${kept}.console.log`],
    [vmmLog, `${kept}.vmm.log`],
  ] as const) {
    try {
      await copyFile(from, to);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

interface Made {
  id: SnapshotId;
  machine: SnapshotMachine;
  paths: SnapshotPaths;
  controls: readonly string[];
}

async function describe(
  { image, wanted, needles, signal, onStage }: MakeGoldenOptions,
  { id, machine, paths, controls }: Made,
): Promise<SnapshotManifest> {
  // The VM is gone: nobody writes into its memory any more.
  await run('fallocate', ['--dig-holes', paths.memory], {
    ...{ signal, timeoutMs: FILE_TIMEOUT_MS, code: 'snapshot_failed' },
  });
  onStage('searching for secrets');
  const search = await searchGolden({
    ...{ paths, needles, controls, signal },
    harmless: [MAKER_TOKEN],
    layers: image.layers.map(({ path }) => path),
  });
  onStage('hashing');
  const target = snapshotPaths(join(paths.folder, '..', id));
  const file = async (name: (typeof goldenFiles)[number]) => ({
    path: target[name],
    sha256: await hashSparseFile(paths[name], signal),
    bytes: (await stat(paths[name])).size,
  });
  return {
    ...{ id, createdAt: new Date().toISOString(), ...wanted, imageId: image.id },
    ...{ kernelSha256: kernelHash(image), agentVersion: image.agent.version, machine },
    ...{ memory: await file('memory'), state: await file('state'), upper: await file('upper') },
    search,
  };
}

/** Read-only and on the disk before anybody sees it; the manifest last. */
async function seal(paths: SnapshotPaths, manifest: SnapshotManifest): Promise<void> {
  for (const name of goldenFiles) {
    await chmod(paths[name], 0o444);
    await syncPath(paths[name]);
  }
  await rememberVerified(paths, await takeFingerprints(paths));
  await writeJson(paths.manifest, manifest);
  await syncPath(paths.manifest);
  await syncPath(paths.folder);
}

async function syncPath(path: string): Promise<void> {
  await using handle = await open(path);
  await handle.sync();
}
