import type { Drain, Log } from '@hearth/contract';
import type { Settings } from '../journal/settings.ts';

const NAME = 'draining';

/** Whether the host takes new VMs and brings hibernated ones back; survives the daemon. */
export interface DrainSwitch {
  get(): Drain;
  set(drain: Drain): Drain;
}

export function createDrainSwitch(settings: Settings, log: Log): DrainSwitch {
  let draining = settings.get(NAME) === 'true';
  return {
    get: () => ({ draining }),
    set: (wanted) => {
      if (wanted.draining !== draining) {
        settings.set(NAME, String(wanted.draining));
        draining = wanted.draining;
        log(draining ? 'the host drains: it takes no VM any more' : 'the host takes VMs again');
      }
      return { draining };
    },
  };
}
