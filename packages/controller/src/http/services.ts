import type { Config, Health, HostState } from '@hearth/contract';
import type { CircuitBreaker } from '../admission/breaker.ts';
import type { World } from '../clock.ts';
import type { CredentialService } from '../credentials/credential-service.ts';
import type { Desktops } from '../desktops/desktops.ts';
import type { Screenshots } from '../desktops/screenshots.ts';
import type { CallOptions, HostLink } from '../host-link/host-link.ts';
import type { ControllerMetrics } from '../metrics/controller-metrics.ts';
import type { HostDrain } from '../operations/drain.ts';
import type { UserAdministration } from '../operations/users.ts';
import type { WhyService } from '../operations/why.ts';
import type { CliVms } from '../runs/cli-vms.ts';
import type { RunService } from '../runs/run-service.ts';
import type { SigninService } from '../signins/signin-service.ts';
import type { Terminals } from '../terminals/terminals.ts';
import type { AccessService } from '../users/access-service.ts';
import type { Vault } from '../vault/vault.ts';
import type { Activity } from '../vms/activity.ts';
import type { VmService } from '../vms/vm-service.ts';
import type { WebApp } from '../web-app.ts';

/** What the routes work with. */
export interface Services {
  config: Config;
  version: string;
  vms: VmService;
  cliVms: CliVms;
  runs: RunService;
  credentials: CredentialService;
  signins: SigninService;
  vault: Vault;
  activity: Activity;
  access: AccessService;
  host: HostLink;
  desktops: Desktops;
  terminals: Terminals;
  screenshots: Screenshots;
  /** null: the web application was not built. */
  web: WebApp | null;
  health: () => Promise<Health>;
  why: WhyService;
  hostState: (options: CallOptions) => Promise<HostState>;
  drain: HostDrain;
  breaker: CircuitBreaker;
  users: UserAdministration;
  metrics: ControllerMetrics;
  world: World;
  /** Aborted when the controller stops: open streams end. */
  stopping: AbortSignal;
}
