import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  HearthError,
  parseConfig,
  startProgress,
  type Config,
  type ConfigInput,
  type Log,
} from '@hearth/contract';
import { z } from 'zod';
import { identifyProcess, isAlive } from '../../exec/process-identity.ts';
import { run } from '../../exec/run.ts';
import { removeNamespace } from '../../network/namespace.ts';
import { endOwnVmms } from '../../reconcile/own-processes.ts';
import { writeJson } from '../image-store.ts';
import { isMissing } from '../missing-file.ts';
import { removeCgroups } from './gate-cgroups.ts';

const RUN_PARENT = '/run/hearth';
const CLOSE_TIMEOUT_MS = 60_000;
const ownerSchema = z.strictObject({ pid: z.number(), startTicks: z.number() });

/** Where a gate boots its VMs: a Hearth of its own (namespace, state, sockets), beside every other and without a way out. */
interface GateRoom {
  config: Config;
  /** <store>/gates/<name> */
  folder: string;
}

/**
 * @param name of the namespace, too: 11 characters at most
 * @param vms how VMs are run in there; the defaults where left out
 */
export function gateConfig(store: string, name: string, vms: NonNullable<ConfigInput['vms']> = {}): Config {
  return parseConfig(
    {
      name,
      imageStore: store,
      stateDir: join(store, 'gates', name),
      runDir: join(RUN_PARENT, name),
      network: { uplink: 'none' },
      vms,
    },
    {},
  );
}

/** Opens a room, with its owner written down before anything is made in it, and clears away those of dead gates. */
export async function openGateRoom(store: string, random: string, log: Log): Promise<GateRoom> {
  const parent = join(store, 'gates');
  await mkdir(parent, { recursive: true, mode: 0o755 });
  for (const name of await readdir(parent)) await closeIfDead(store, name, log);
  const owner = await identifyProcess(process.pid);
  if (owner === null) throw new HearthError('internal', 'this process is not in /proc');
  const name = `gate-${random.slice(0, 6)}`;
  const config = gateConfig(store, name);
  await mkdir(config.stateDir, { mode: 0o755 });
  await writeJson(join(config.stateDir, 'owner.json'), owner);
  await mkdir(config.runDir, { recursive: true, mode: 0o755 });
  return { config, folder: config.stateDir };
}

async function closeIfDead(store: string, name: string, log: Log): Promise<void> {
  const config = gateConfig(store, name);
  try {
    const owner = ownerSchema.parse(JSON.parse(await readFile(join(config.stateDir, 'owner.json'), 'utf8')));
    if (await isAlive(owner)) return;
  } catch (error) {
    // Cut off before the owner was written: nothing else was made yet.
    if (!isMissing(error)) throw error;
  }
  log(`removing what the gate ${name} left behind`);
  await closeGateRoom({ config, folder: config.stateDir }, log);
}

/** Ends the VMs that still run in a room and removes all of it. May be repeated. */
export async function closeGateRoom({ config, folder }: GateRoom, log: Log): Promise<void> {
  const progress = startProgress({ what: 'closing the gate', timeoutMs: CLOSE_TIMEOUT_MS, log });
  await endOwnVmms(config, progress);
  await removeCgroups(`hearth-${config.name}`);
  await removeNamespace(config, run, progress);
  await rm(config.runDir, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}
