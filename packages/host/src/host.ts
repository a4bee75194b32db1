import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, rm, stat } from 'node:fs/promises';
import { totalmem, availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  HearthError,
  startProgress,
  type Check,
  type Config,
  type HostCapacity,
  type HostHealth,
  type ImageId,
  type Log,
  type VmId,
} from '@hearth/contract';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { freeMiB } from './disks/private-disk.ts';
import { createAgentClient } from './guest-link/agent-client.ts';
import { createHostServer } from './http/server.ts';
import { createAddressStore } from './journal/address-store.ts';
import { openHostDatabase } from './journal/database.ts';
import { createVmRecords } from './journal/vm-records.ts';
import { openAddressBook } from './network/address-book.ts';
import { createHostNetwork } from './network/host-network.ts';
import { planNetwork } from './network/addressing.ts';
import { peerUid } from './peer/peer-credentials.ts';
import { openImageSource, type StoredImages } from './images/image-source.ts';
import { createBootSlots, freeMemMiB } from './vms/admission.ts';
import { sweepLeftovers } from './vms/sweep.ts';
import { VmHost } from './vms/vm-host.ts';
import { vmPaths } from './vms/vm-paths.ts';
import { openCgroups } from './vmm/cgroup.ts';
import { createVmmSource } from './vmm/vmm-source.ts';

export const HOST_VERSION = '0.1.0';
const NETWORK_TIMEOUT_MS = 60_000;
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
  readonly server: FastifyInstance;
  readonly socketPath: string;
  /** Lets go of everything; VMs go on. */
  close(): Promise<void>;
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
  const database = openHostDatabase(join(config.stateDir, 'host.db'));
  const records = createVmRecords(database);
  const book = openAddressBook({
    plan: planNetwork(config),
    store: createAddressStore(database),
    randomBytes,
  });
  const known = new Set(records.load().map(({ id }) => id));
  await sweepLeftovers(config, known, Date.now(), log);
  for (const { vmId } of book.list()) if (!known.has(vmId)) book.free(vmId);

  const network = createHostNetwork({ config, log });
  const setup = startProgress({ what: 'setting up the network', timeoutMs: NETWORK_TIMEOUT_MS, log });
  await network.start(setup);
  await network.sync(
    book.list().map(({ address }) => address),
    setup,
  );

  const images = pinned(openImageSource(config.imageStore), imageId);
  const agents = createAgentClient();
  const cgroups = await openCgroups(`hearth-${config.name}`, log);
  const vmmSource = createVmmSource({ config, images, cgroups, log });
  const vms = new VmHost({
    ...{ config, images, network, records, agents, randomBytes, log },
    ...{ vmm: vmmSource.vmm, probe: vmmSource.probe, addresses: book, now: Date.now },
    slots: createBootSlots(config.vms.maxConcurrentBoots),
  });
  network.onLease(({ ip }) => vms.onLease(ip));
  await vms.adopt();

  const health = async (): Promise<HostHealth> => {
    const checks = [
      ...(await network.checks()),
      await diskCheck(config),
      await imageCheck(images),
      vmmSource.check(),
    ];
    return {
      status: checks.every(({ ok }) => ok) ? 'ok' : 'degraded',
      version: HOST_VERSION,
      uptimeSeconds: process.uptime(),
      checks,
    };
  };
  const capacity = async (): Promise<HostCapacity> => ({
    cpus: availableParallelism(),
    memMiB: Math.floor(totalmem() / 1024 / 1024),
    memFreeMiB: Math.max(
      0,
      freeMemMiB(
        config,
        vms.list().filter(({ state }) => state !== 'failed'),
      ),
    ),
    diskFreeMiB: await freeMiB(config.stateDir),
    addressesFree: book.freeCount,
    accelerator: vmmSource.accelerator(),
  });
  const consoleFiles = async (id: VmId) => {
    const { consoleFolder, console } = vmPaths(config, id);
    const there = await stat(consoleFolder).catch(() => null);
    if (there === null) throw new HearthError('not_found', `there is no console of ${id}`, { vmId: id });
    return console;
  };
  const server = createHostServer({
    ...{ vms, agents, health, capacity, consoleFiles, logger },
    checkPeer: (request) => {
      const { uid } = peerUid(request.raw.socket);
      if (uid !== 0 && !callerUids.includes(uid))
        throw new HearthError('forbidden', `user ${uid} may not call the host daemon`);
    },
  });
  const socketPath = join(config.runDir, 'host.sock');
  await rm(socketPath, { force: true });
  await server.listen({ path: socketPath });
  await chown(socketPath, 0, callerGid);
  await chmod(socketPath, 0o660);
  return {
    vms,
    server,
    socketPath,
    close: async () => {
      await server.close();
      await vms.release();
      await network.stop();
      await agents.close();
      database.close();
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
