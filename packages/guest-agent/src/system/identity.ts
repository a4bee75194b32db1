import { HearthError, type GuestIdentity, type Log } from '@hearth/contract';
import type { GuestSystem } from './guest-system.ts';

/** A smaller difference is not worth a step of the clock. */
const CLOCK_TOLERANCE_MS = 500;

export interface IdentityOptions {
  identity: GuestIdentity;
  hostTimeMs: number;
  /** Monotonic time at which the message came: what passed since is added to hostTimeMs. */
  receivedAtMs: number;
  system: GuestSystem;
  log: Log;
  now?: () => number;
  monotonicNow?: () => number;
}

/**
 * Gives the guest what only this VM has. Throws HearthError where the guest is another machine than the host believes
 * (F46): the machine-id comes from the kernel's command line, before anything here runs.
 */
export async function applyIdentity({
  identity,
  hostTimeMs,
  receivedAtMs,
  system,
  log,
  now = Date.now,
  monotonicNow = () => performance.now(),
}: IdentityOptions): Promise<void> {
  const hostNow = (): number => hostTimeMs + (monotonicNow() - receivedAtMs);
  const offMs = Math.round(hostNow() - now());
  if (Math.abs(offMs) > CLOCK_TOLERANCE_MS) {
    await system.setClock(hostNow());
    log('clock set', { offMs });
  }
  const machineId = await system.machineId();
  if (machineId !== identity.machineId)
    throw new HearthError(
      'internal',
      `/etc/machine-id is ${machineId || 'empty'}, expected ${identity.machineId} (systemd.machine_id= on the kernel command line)`,
    );
  if (system.hostname() !== identity.hostname) await system.setHostname(identity.hostname);
}
