import type { Config, Log } from '@hearth/contract';
import type { World } from '../clock.ts';
import type { CredentialService } from '../credentials/credential-service.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { CliVmStore } from '../store/cli-vms.ts';
import type { RunStore } from '../store/runs.ts';
import type { Activity } from '../vms/activity.ts';
import type { VmBook } from '../vms/vm-book.ts';
import type { CliVms } from './cli-vms.ts';
import { createGuestRuns } from './guest-runs.ts';
import { createRunBook } from './run-book.ts';
import { createRunService, type RunService } from './run-service.ts';
import { createRunWorker, type RunWorker } from './run-worker.ts';
import { createUseOfVms } from './use-of-vms.ts';

export interface RunsDeps {
  store: RunStore;
  homes: Pick<CliVmStore, 'all'>;
  vms: VmBook;
  cliVms: CliVms;
  credentials: CredentialService;
  activity: Activity;
  host: HostLink;
  limits: Config['runs'];
  world: World;
  log: Log;
  signal: AbortSignal;
}

export interface Runs {
  service: RunService;
  worker: RunWorker;
}

/** Puts together what runs are led by. */
export function createRuns({ store, host, activity, ...deps }: RunsDeps): Runs {
  const book = createRunBook(store);
  const using = createUseOfVms(activity);
  deps.credentials.busy(using.uses);
  const worker = createRunWorker({ ...deps, book, guest: createGuestRuns(host), using });
  return { worker, service: createRunService({ ...deps, book, worker }) };
}
