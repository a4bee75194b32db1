import { HearthError, type GuestAddress, type GuestIdentity, type Log } from '@hearth/contract';
import type { GuestSystem } from './guest-system.ts';

/** A smaller difference is not worth a step of the clock. */
const CLOCK_TOLERANCE_MS = 500;

export interface IdentityOptions {
  identity: GuestIdentity;
  /** The guest comes from a golden snapshot and has not had its own identity yet. */
  isClone: boolean;
  interfaceName: string;
  readAddresses: () => Promise<GuestAddress[]>;
  system: GuestSystem;
  log: Log;
}

/**
 * Gives the guest what only this VM has, where it differs: it may be repeated. Throws HearthError
 * where a guest that was booted cold is another machine than the host believes (F46): its machine-id comes from the kernel's
 * command line, before anything here runs. One that came from saved memory shows by its network card, whose MAC is still another's.
 * @returns whether the network card has a new MAC, and so no address yet
 */
export async function takeIdentity({
  identity,
  isClone,
  interfaceName,
  readAddresses,
  system,
  log,
}: IdentityOptions): Promise<boolean> {
  const [addresses, machineId] = await Promise.all([readAddresses(), system.machineId()]);
  const mac = addresses.find((address) => address.interface === interfaceName)?.mac;
  if (mac === undefined)
    throw new HearthError('guest_not_ready', `there is no network card ${interfaceName}`);
  const isNewCard = mac !== identity.mac;
  if (machineId !== identity.machineId) {
    if (!isClone && !isNewCard)
      throw new HearthError(
        'internal',
        `/etc/machine-id is ${machineId || 'empty'}, expected ${identity.machineId} (systemd.machine_id= on the kernel command line)`,
      );
    await system.setMachineId(identity.machineId);
    log('machine-id set', { machineId: identity.machineId });
  }
  // Before the card is up: the name goes out with the DHCP request.
  if (system.hostname() !== identity.hostname) await system.setHostname(identity.hostname);
  // A clone's card is down, also where it happens to have its MAC already.
  if (!isNewCard && !isClone) return false;
  await system.setMac(interfaceName, identity.mac);
  log('MAC set', { interface: interfaceName, mac: identity.mac });
  return true;
}

export interface ClockOptions {
  hostTimeMs: number;
  /** Monotonic time at which the message came: what passed since is added to hostTimeMs. */
  receivedAtMs: number;
  system: Pick<GuestSystem, 'setClock'>;
  log: Log;
  toleranceMs?: number;
  now?: () => number;
  monotonicNow?: () => number;
}

/** @returns by how much the clock was behind and is set; 0 where it was right */
export async function takeClock({
  hostTimeMs,
  receivedAtMs,
  system,
  log,
  toleranceMs = CLOCK_TOLERANCE_MS,
  now = Date.now,
  monotonicNow = () => performance.now(),
}: ClockOptions): Promise<number> {
  const hostNow = (): number => hostTimeMs + (monotonicNow() - receivedAtMs);
  const offMs = Math.round(hostNow() - now());
  if (Math.abs(offMs) <= toleranceMs) return 0;
  await system.setClock(hostNow());
  log('clock set', { offMs });
  return offMs;
}
