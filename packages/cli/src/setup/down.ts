import { readFile, rm } from 'node:fs/promises';
import {
  asHearthError,
  HearthError,
  hostVmSchema,
  vmIdSchema,
  type Config,
  type VmId,
} from '@hearth/contract';
import { z } from 'zod';
import { readText } from '../api/client.ts';
import { connect, connectHost } from '../api/connection.ts';
import { loadConfig } from '../config.ts';
import { makeContext, type CommonOptions, type Context } from '../context.ts';
import { run } from '../exec/run.ts';
import { allVms } from '../vm/list.ts';
import { removeVm } from '../vm/remove.ts';
import { requireRoot } from './machine.ts';
import { endNamespace } from './namespace.ts';
import { places } from './places.ts';
import { findRunning } from './running.ts';
import { stopDaemons, stopProcess } from './stop-daemons.ts';
import { takeUpLock } from './up-lock.ts';

export interface DownOptions extends CommonOptions {
  purge?: boolean;
  keepVms?: boolean;
}

const DELETE_TIMEOUT_MS = 120_000;
const hostVmListSchema = z.object({ vms: z.array(hostVmSchema) });

export async function down(options: DownOptions): Promise<void> {
  requireRoot('hearth down');
  const context = makeContext(options);
  const { out, signal } = context;
  const config = await loadConfig(options.config, context.environment);
  const release = await takeUpLock(config);
  try {
    const running = await findRunning(config, signal);
    const deleted: string[] = [];
    // Hibernated VMs are files only, and their owners' work.
    const staying: readonly string[] = options.purge === true ? [] : ['hibernated'];
    if (options.keepVms !== true) {
      // By the controller first, so that its records say what happened; then whatever the host has beside them.
      if (running.controller.health !== null && running.host.health !== null)
        deleted.push(...(await deleteThroughController(options, staying, context)));
      await stopProcess(places(config).controllerPid, 'controller');
      if (running.host.health !== null) deleted.push(...(await deleteThroughHost(config, staying, context)));
    }
    const stopped = await stopDaemons(config, options.keepVms === true ? 'stay' : 'configured');
    if (running.controller.process !== null && !stopped.includes('controller')) stopped.push('controller');
    if (options.keepVms !== true) await endNamespace(run, config, signal);
    if (options.purge === true) await purge(config);
    if (out.json) {
      out.value({ stopped, deletedVms: deleted, purged: options.purge === true });
      return;
    }
    for (const id of deleted) out.line(`${id} deleted`);
    out.line(
      stopped.length === 0 ? `Hearth '${config.name}' was not running` : `stopped: ${stopped.join(' and ')}`,
    );
    if (options.purge === true) out.line(`removed ${config.stateDir}; images stay in ${config.imageStore}`);
  } finally {
    await release();
  }
  if (options.purge === true) await rm(config.runDir, { recursive: true, force: true });
}

async function deleteThroughController(
  options: DownOptions,
  staying: readonly string[],
  { environment, out, signal }: Context,
): Promise<VmId[]> {
  const api = await connect(options.config === undefined ? {} : { config: options.config }, {
    ...environment,
    url: undefined,
    token: undefined,
  });
  try {
    const vms = await allVms(api, signal);
    const ids = vms
      .filter(({ state }) => state !== 'deleted' && !staying.includes(state))
      .map(({ id }) => id);
    if (ids.length > 0) out.note(`deleting ${ids.length} VM${ids.length === 1 ? '' : 's'}…`);
    await Promise.all(ids.map((id) => removeVm(api, id, signal)));
    return ids;
  } catch (error) {
    // The host is asked next, and it is what must be free.
    out.note(
      `note: the controller could not delete the VMs (${asHearthError(error).detail}); asking the host daemon`,
    );
    return [];
  } finally {
    await api.close();
  }
}

async function deleteThroughHost(
  config: Config,
  staying: readonly string[],
  { signal }: Context,
): Promise<VmId[]> {
  const api = connectHost(config);
  try {
    const { vms } = await api.get(hostVmListSchema, '/v1/vms', { signal });
    const ids = vms
      .filter(({ state }) => state !== 'gone' && !staying.includes(state))
      .map(({ id }) => vmIdSchema.parse(id));
    await Promise.all(
      ids.map(async (id) => {
        const { body } = await api.open('DELETE', `/v1/vms/${id}`, { signal, timeoutMs: DELETE_TIMEOUT_MS });
        await readText(body);
      }),
    );
    return ids;
  } finally {
    await api.close();
  }
}

async function purge(config: Config): Promise<void> {
  for (const folder of [config.stateDir, config.runDir])
    if (folder.split('/').filter((part) => part !== '').length < 2)
      throw new HearthError('config_invalid', `${folder} is too near the root to be removed by --purge`, {
        hint: 'Remove it by hand if that is meant.',
      });
  await refuseMounted(config.stateDir);
  await rm(config.stateDir, { recursive: true, force: true });
}

/** Never remove through a mount. */
async function refuseMounted(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  const inside = mounts.find((mount) => mount.startsWith(`${folder}/`));
  if (inside !== undefined)
    throw new HearthError('disk_failed', `${inside} is mounted inside ${folder}`, {
      hint: `Unmount it first: umount ${inside}`,
    });
}
