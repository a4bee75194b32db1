import { chmod, chown, mkdir, rm, stat } from 'node:fs/promises';
import { totalmem, availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  HearthError,
  type Check,
  type Config,
  type HostCapacity,
  type HostHealth,
  type ImageId,
  type Log,
  type VmId,
} from '@hearth/contract';
import type { FastifyBaseLogger } from 'fastify';
import { freeMiB } from './disks/private-disk.ts';
import { createHostServer } from './http/server.ts';
import { createHostMetrics } from './metrics/host-metrics.ts';
import { peerUid } from './peer/peer-credentials.ts';
import { openImageSource, type StoredImages } from './images/image-source.ts';
import { createLogLimit } from './reconcile/log-limit.ts';
import { openRuntime } from './runtime.ts';
import { createGoldenService } from './snapshots/golden-service.ts';
import type { VmHost } from './vms/vm-host.ts';
import { vmPaths } from './vms/vm-paths.ts';
import { createWatchdog } from './vms/watchdog.ts';

const HOST_VERSION = '0.1.0';
const DISK_LOW_MIB = 1024;

export interface HostOptions {
  config: Config;
  /** The image that new VMs start from: the one that `hearth up` built; the newest gated one where left out. */
  imageId?: ImageId;
  log: Log;
  logger: FastifyBaseLogger;
  /** Users that may call the daemon besides root. */
  callerUids: readonly number[];
  /** Group that may open the socket. */
  callerGid: number;
}

export interface Host {
  readonly vms: VmHost;
  readonly socketPath: string;
  /** Takes no calls any more, does with the VMs as told, and lets go of everything. */
  close(vms: Config['host']['onStop']): Promise<void>;
}

/** Puts the host daemon together. Runs as root inside the network namespace of this Hearth. */
export async function openHost({
  config,
  imageId,
  log,
  logger,
  callerUids,
  callerGid,
}: HostOptions): Promise<Host> {
  for (const folder of [config.stateDir, config.runDir])
    await mkdir(folder, { recursive: true, mode: 0o755 });
  const images = pinned(openImageSource(config.imageStore), imageId);
  // A VM that is taken up in the middle of a restore asks for its snapshot before all of the runtime is open.
  const vmm = async () => (await opening).vmmSource.vmm();
  const goldens = createGoldenService({ config, images, log, vmm });
  const opening = openRuntime({ config, images, goldens: goldens.source, log });
  const runtime = await opening;
  const { vms, network, book, agents, vmmSource, admission, slots, drain, reconciler, sweeper } = runtime;

  const health = async (): Promise<HostHealth> => {
    const checks = [
      ...(await network.checks()),
      await diskCheck(config),
      await imageCheck(images),
      vmmSource.check(),
      await goldens.check(),
    ];
    return {
      status: checks.every(({ ok }) => ok) ? 'ok' : 'degraded',
      version: HOST_VERSION,
      uptimeSeconds: process.uptime(),
      checks,
    };
  };
  const capacity = async (): Promise<HostCapacity> => {
    const free = admission.free(vms.holding());
    return {
      cpus: availableParallelism(),
      memMiB: Math.floor(totalmem() / 1024 / 1024),
      memFreeMiB: Math.max(0, free.memMiB),
      diskFreeMiB: Math.max(0, free.diskMiB),
      cpusFree: Math.max(0, free.cpus),
      starts: { running: slots.running, waiting: slots.waiting },
      addressesFree: book.freeCount,
      accelerator: vmmSource.accelerator(),
    };
  };
  const metrics = createHostMetrics({
    vms: { list: () => vms.list(), controlChannels: () => vms.controlChannels() },
    restarts: () => watchdog.restarts,
    capacity,
    drift: () => reconciler.last(),
    swept: () => sweeper.removed(),
  });
  const consoleFiles = async (id: VmId) => {
    const { consoleFolder, console } = vmPaths(config, id);
    const there = await stat(consoleFolder).catch(() => null);
    if (there === null) throw new HearthError('not_found', `there is no console of ${id}`, { vmId: id });
    return console;
  };
  const server = createHostServer({
    ...{ vms, agents, health, capacity, metrics, consoleFiles, logger },
    upkeep: { reconciler, sweeper, drain, log },
    snapshots: { list: () => goldens.list(vms), remove: (id) => goldens.remove(vms, id) },
    checkPeer: (request) => {
      const { uid } = peerUid(request.raw.socket);
      if (uid !== 0 && !callerUids.includes(uid))
        throw new HearthError('forbidden', `user ${uid} may not call the host daemon`);
    },
  });
  const watchdog = createWatchdog({
    ...{ config, log },
    vms: () => vms.living(),
    suspects: () => reconciler.suspects(),
    slowness: async () => (await vmmSource.probe()).slowness,
  });
  const logLimit = createLogLimit(config, log);
  const socketPath = join(config.runDir, 'host.sock');
  await rm(socketPath, { force: true });
  await server.listen({ path: socketPath });
  await chown(socketPath, 0, callerGid);
  await chmod(socketPath, 0o660);
  goldens.start(vms);
  watchdog.start();
  reconciler.start();
  logLimit.start();
  return {
    vms,
    socketPath,
    close: async (fate) => {
      await server.close();
      await watchdog.stop();
      await logLimit.stop();
      await goldens.close();
      if (fate !== 'stay') await vms.endAll(fate);
      await runtime.close();
      await rm(socketPath, { force: true });
    },
  };
}

/** Two Hearths may share a store and want different images of it. */
function pinned(images: StoredImages, imageId: ImageId | undefined): StoredImages {
  return imageId === undefined ? images : { ...images, current: () => images.gated(imageId) };
}

async function diskCheck({ stateDir }: Config): Promise<Check> {
  const free = await freeMiB(stateDir);
  return { name: 'disk', ok: free >= DISK_LOW_MIB, detail: `${free} MiB free in ${stateDir}` };
}

async function imageCheck(images: ReturnType<typeof openImageSource>): Promise<Check> {
  try {
    const { id } = await images.current();
    return { name: 'image', ok: true, detail: id };
  } catch (error) {
    return { name: 'image', ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
