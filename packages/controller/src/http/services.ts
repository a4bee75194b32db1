import type { Config, Health } from '@hearth/contract';
import type { World } from '../clock.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { AccessService } from '../users/access-service.ts';
import type { VmService } from '../vms/vm-service.ts';

/** What the routes work with. */
export interface Services {
  config: Config;
  version: string;
  vms: VmService;
  access: AccessService;
  host: HostLink;
  health: () => Promise<Health>;
  world: World;
  /** Aborted when the controller stops: open streams end. */
  stopping: AbortSignal;
}
