import type { ServiceState } from '@hearth/contract';

/** Speaks a service's own protocol; gives its evidence, or throws what is wrong. */
export interface Probe {
  name: ServiceState['name'];
  check(signal: AbortSignal): Promise<string>;
}
