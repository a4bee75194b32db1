import { asHearthError, pause, type Log } from '@hearth/contract';
import type { HostLink } from '../host-link/host-link.ts';
import type { HostView } from '../vms/host-view.ts';
import type { Reconcile } from './reconcile.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

export interface FollowHostDeps {
  host: HostLink;
  view: HostView;
  reconcile: Reconcile;
  /** The host is there, maybe another one than before. */
  onFollowing: () => void;
  log: Log;
  signal: AbortSignal;
}

/**
 * Keeps a subscription to the host's events. After every (re)connect the whole is compared, so nothing that
 * happened while nobody listened is missed. Resolves when the signal comes.
 */
export async function followHost(deps: FollowHostDeps): Promise<void> {
  const { host, view, reconcile, onFollowing, log, signal } = deps;
  let pauseMs = FIRST_PAUSE_MS;
  let outage = false;
  for (;;) {
    try {
      const events = await host.events({ signal });
      pauseMs = FIRST_PAUSE_MS;
      outage = false;
      log('following the host daemon');
      view.forget();
      onFollowing();
      void reconcile.run();
      for await (const event of events) if (event.type === 'vm') await reconcile.observe(event.vm);
    } catch (error) {
      if (signal.aborted) return;
      const { code, detail } = asHearthError(error);
      // One line an outage, not one a try.
      if (!outage) log('the host daemon is not followed; trying again', { code, detail });
      outage = true;
    }
    try {
      await pause(pauseMs, signal);
    } catch {
      // Only the signal ends a pause early, and it ends this as well.
      return;
    }
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}
