import { HearthError, pause } from '@hearth/contract';
import { rm } from 'node:fs/promises';
import type { Freezer } from './freezer.ts';
import type { GuestSystem } from './guest-system.ts';

export interface PrepareOptions {
  system: GuestSystem;
  freezer: Freezer;
  interfaceName: string;
  vncPasswordFile: string;
  hasDesktop: boolean;
  timeoutMs?: number;
}

export const WALLPAPER_UNIT = 'hearth-wallpaper.service';
/** What the golden is called: it is on its wallpaper, until a clone is looked at and has drawn its own. */
const NEUTRAL_NAME = 'hearth';
const TIMEOUT_MS = 60_000;
const LOOK_MS = 20;

/** Takes from the guest what was its own and lets it stand still, fit to be cloned. Throws HearthError. */
export async function prepareSnapshot({
  system,
  freezer,
  interfaceName,
  vncPasswordFile,
  hasDesktop,
  timeoutMs = TIMEOUT_MS,
}: PrepareOptions): Promise<void> {
  const deadline = AbortSignal.timeout(timeoutMs);
  await rm(vncPasswordFile, { force: true });
  await system.takeDown(interfaceName);
  // Else a clone's networkd would take the end of this lease for news of its own.
  while (await system.hasLease()) {
    if (deadline.aborted)
      throw new HearthError('internal', 'systemd-networkd kept its lease of a card that is down');
    await pause(LOOK_MS, deadline).catch(() => undefined);
  }
  await system.setHostname(NEUTRAL_NAME);
  if (hasDesktop) await system.restartUnit(WALLPAPER_UNIT);
  await freezer.freeze(deadline);
  await system.sync();
}
