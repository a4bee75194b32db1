import {
  asHearthError,
  HearthError,
  startProgress,
  type DrainRequest,
  type DrainState,
  type Log,
  type VmState,
} from '@hearth/contract';
import type { CallOptions, HostLink } from '../host-link/host-link.ts';
import type { VmStore } from '../store/vms.ts';

const LOOK_TIMEOUT_MS = 5000;
const onTheirWay: readonly VmState[] = ['requested', 'starting', 'hibernating', 'deleting'];

export interface DrainDeps {
  host: HostLink;
  vms: Pick<VmStore, 'count'>;
  /** VMs may have to end, or may be made again. */
  onChange: () => void;
  log: Log;
  signal: AbortSignal;
}

/** Empties the host, for its maintenance. That it drains is kept by the host; that VMs are to be hibernated, here, until the controller ends. */
export interface HostDrain {
  /** As it was last heard. */
  draining(): boolean;
  /** Are idle VMs to be hibernated, and warm ones deleted? */
  emptying(): boolean;
  /** Throws host_draining. */
  requireOff(): void;
  show(options: CallOptions): Promise<DrainState>;
  set(request: DrainRequest, options: CallOptions): Promise<DrainState>;
  /** Asks the host, which may be another one than before. Never throws. */
  refresh(): Promise<void>;
}

export function createDrain({ host, vms, onChange, log, signal }: DrainDeps): HostDrain {
  let draining = false;
  let hibernate = false;

  const learn = (now: boolean): void => {
    if (now !== draining) log(now ? 'the host is being drained' : 'the host takes VMs again');
    draining = now;
    hibernate &&= now;
  };
  const state = async (): Promise<DrainState> => {
    const counts = await vms.count();
    const sum = (states: readonly VmState[]): number =>
      states.reduce((all, one) => all + (counts.get(one) ?? 0), 0);
    return {
      draining,
      starting: sum(onTheirWay),
      running: sum(['ready']),
      hibernated: sum(['hibernated']),
    };
  };

  return {
    draining: () => draining,
    emptying: () => draining && hibernate,
    requireOff: () => {
      if (draining) throw new HearthError('host_draining', 'it is being emptied for its maintenance');
    },
    show: async (options) => {
      learn((await host.drain(options)).draining);
      return state();
    },
    set: async (request, options) => {
      learn((await host.setDrain({ draining: request.draining }, options)).draining);
      hibernate = draining && request.hibernate;
      onChange();
      return state();
    },
    refresh: async () => {
      try {
        const progress = startProgress({
          what: 'asking the host whether it drains',
          timeoutMs: LOOK_TIMEOUT_MS,
          signal,
        });
        learn((await host.drain({ signal: progress.signal })).draining);
      } catch (error) {
        const { code, detail } = asHearthError(error);
        if (!signal.aborted) log('whether the host drains is not known', { code, detail });
      }
    },
  };
}
