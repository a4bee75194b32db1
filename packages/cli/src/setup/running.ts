import {
  HearthError,
  healthSchema,
  hostHealthSchema,
  type Config,
  type Health,
  type HostHealth,
} from '@hearth/contract';
import { makeApi, type Api } from '../api/client.ts';
import { connectHost } from '../api/connection.ts';
import { controllerUrl } from '../config.ts';
import { places } from './places.ts';
import { livingProcess, type ProcessIdentity } from './process-identity.ts';

export interface DaemonState<T> {
  process: ProcessIdentity | null;
  /** null where it gives no answer. */
  health: T | null;
  /** Why there is no answer. */
  problem: HearthError | null;
}

export interface Running {
  host: DaemonState<HostHealth>;
  controller: DaemonState<Health>;
}

const HEALTH_TIMEOUT_MS = 5000;

/** What of this Hearth lives, by its pid files and its own answers. */
export async function findRunning(config: Config, signal: AbortSignal): Promise<Running> {
  const { hostPid, controllerPid } = places(config);
  const options = { signal, timeoutMs: HEALTH_TIMEOUT_MS, acceptStatus: 503 };
  const [host, controller] = await Promise.all([
    daemonState(hostPid, connectHost(config), (api) => api.get(hostHealthSchema, '/v1/health', options)),
    daemonState(
      controllerPid,
      makeApi({ origin: controllerUrl(config), unreachable: 'controller_unreachable' }),
      (api) => api.get(healthSchema, '/health', options),
    ),
  ]);
  return { host, controller };
}

async function daemonState<T>(
  pidFile: string,
  api: Api,
  ask: (api: Api) => Promise<T>,
): Promise<DaemonState<T>> {
  const process = await livingProcess(pidFile);
  if (process === null) {
    await api.close();
    return { process, health: null, problem: null };
  }
  try {
    return { process, health: await ask(api), problem: null };
  } catch (error) {
    if (!(error instanceof HearthError)) throw error;
    return { process, health: null, problem: error };
  } finally {
    await api.close();
  }
}
