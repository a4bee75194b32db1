import { asHearthError, startProgress, type Check, type Health } from '@hearth/contract';
import type { World } from './clock.ts';
import type { HostLink } from './host-link/host-link.ts';

const HOST_TIMEOUT_MS = 2000;

export interface HealthDeps {
  /** Throws where the database does not answer. */
  pingDatabase: () => Promise<void>;
  /** Throws where the vault is closed. */
  checkVault: () => Promise<void>;
  host: HostLink;
  world: World;
  version: string;
  signal: AbortSignal;
}

/** Gives the state of the whole house, from checks made now; calls at the same time share one round of checks. */
export function createHealth({
  pingDatabase,
  checkVault,
  host,
  world,
  version,
  signal,
}: HealthDeps): () => Promise<Health> {
  const startedAt = performance.now();
  let running: Promise<Health> | null = null;

  const check = async (): Promise<Health> => {
    const database = await attempt('database', pingDatabase);
    const vault = await attempt('vault', checkVault);
    const progress = startProgress({ what: 'the health of the host', timeoutMs: HOST_TIMEOUT_MS, signal });
    let hostChecks: Check[] = [];
    const daemon = await attempt('host', async () => {
      const { checks } = await host.health({ signal: progress.signal });
      hostChecks = checks;
    });
    const checks = [database, vault, daemon, ...hostChecks];
    return {
      status: checks.every(({ ok }) => ok) ? 'ok' : 'degraded',
      uptime: (performance.now() - startedAt) / 1000,
      timestamp: world.now().toISOString(),
      version,
      checks,
    };
  };
  return () => {
    running ??= check().finally(() => {
      running = null;
    });
    return running;
  };
}

async function attempt(name: string, act: () => Promise<void>): Promise<Check> {
  const startedAt = performance.now();
  try {
    await act();
    return { name, ok: true, detail: `answered in ${Math.round(performance.now() - startedAt)} ms` };
  } catch (error) {
    return { name, ok: false, detail: asHearthError(error).message };
  }
}
