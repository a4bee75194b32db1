import { startProgress, type Breaker, type HostState } from '@hearth/contract';
import type { CallOptions, HostLink } from '../host-link/host-link.ts';
import type { VmStore } from '../store/vms.ts';

const HOST_TIMEOUT_MS = 10_000;

export interface HostStateDeps {
  host: HostLink;
  vms: Pick<VmStore, 'unhealthy'>;
  breaker: { show(): Promise<Breaker> };
}

/** Gives what an operator looks at first, from what is now. Throws host_unreachable. */
export function createHostState({
  host,
  vms,
  breaker,
}: HostStateDeps): (options: CallOptions) => Promise<HostState> {
  return async ({ signal, ...options }) => {
    const progress = startProgress({
      what: 'asking the host for its state',
      timeoutMs: HOST_TIMEOUT_MS,
      signal,
    });
    const call = { ...options, signal: progress.signal };
    const [{ draining }, capacity, { drifts }, unhealthy] = await Promise.all([
      host.drain(call),
      host.capacity(call),
      host.drift({ now: false }, call),
      vms.unhealthy(),
    ]);
    return {
      draining,
      capacity,
      breaker: await breaker.show(),
      drifts: drifts.filter(({ outcome }) => outcome !== 'repaired').length,
      unhealthy: unhealthy.flatMap(({ id, finding }) => (finding === null ? [] : [{ vmId: id, finding }])),
    };
  };
}
