import type { ServiceState } from '@hearth/contract';

/** Speaks a service's own protocol; gives its evidence, or throws what is wrong. */
export interface Probe {
  name: ServiceState['name'];
  /** Services without which it can't run: until they were seen running, it isn't looked for. */
  after?: readonly ServiceState['name'][];
  check(signal: AbortSignal): Promise<string>;
  /** Whether it stands still by intent: then it is not asked. */
  isFrozen?: () => Promise<boolean>;
}
