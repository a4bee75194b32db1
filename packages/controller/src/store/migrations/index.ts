import type { Migration } from 'kysely/migration';
import * as usersTokensVms from './0001-users-tokens-vms.ts';
import * as desktops from './0002-desktops.ts';
import * as hibernationWarmPool from './0003-hibernation-warm-pool.ts';
import * as signinsCredentials from './0004-signins-credentials.ts';
import * as runs from './0005-runs.ts';
import * as findingsQuotas from './0006-findings-quotas.ts';

/** Every migration by its name, which is its order; imported, not found on disk, so that they load before root is given up. */
export const migrations: Record<string, Migration> = {
  '0001-users-tokens-vms': usersTokensVms,
  '0002-desktops': desktops,
  '0003-hibernation-warm-pool': hibernationWarmPool,
  '0004-signins-credentials': signinsCredentials,
  '0005-runs': runs,
  '0006-findings-quotas': findingsQuotas,
};
