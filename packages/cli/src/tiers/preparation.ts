import type { Config } from '@hearth/contract';
import type { Run } from '../exec/run.ts';
import { guestAgentBundle, standInBundle, webBundle } from '../setup/bundles.ts';
import { browserTestPackages, debianPackagesStep, hostPackages } from '../setup/debian-packages.ts';
import { diskSpaceStep } from '../setup/disk-space.ts';
import { goldenImageStep } from '../setup/golden-image.ts';
import { machineStep } from '../setup/machine.ts';
import { sourceBundleStep } from '../setup/source-bundle.ts';
import type { Step } from '../setup/steps.ts';
import { systemUsersStep } from '../setup/system-users.ts';
import type { TierName } from './tier-names.ts';

/** Tiers that drive a real browser. */
const BROWSER_TIERS: readonly TierName[] = ['vm'];
const NEEDS_ROOT: readonly TierName[] = ['system', 'vm'];

export const needsRoot = (tier: TierName): boolean => NEEDS_ROOT.includes(tier);

/** What must be there before a tier can run: the same steps as `up`, with its consent given. */
export function preparationFor(tier: TierName, run: Run, config: Config, signal: AbortSignal): Step[] {
  if (!needsRoot(tier)) return [];
  const consent = { given: true, ask: null };
  const packages = [...hostPackages, ...(BROWSER_TIERS.includes(tier) ? browserTestPackages : [])];
  return [
    machineStep(),
    debianPackagesStep({ run, packages, consent, signal }),
    systemUsersStep(run, [config.controller.user, config.vms.vmmUser], signal),
    ...(tier === 'vm'
      ? [
          diskSpaceStep(config),
          sourceBundleStep(run, guestAgentBundle, signal),
          sourceBundleStep(run, standInBundle, signal),
          sourceBundleStep(run, webBundle, signal),
          goldenImageStep(run, config, signal),
        ]
      : []),
  ];
}
