import type { TierName } from './tier-names.ts';

export interface TestFailure {
  name: string;
  message: string;
}

/** What a tier came to. A check by a tool (a compiler, a linter) counts as one test. */
export interface TierResult {
  tier: TierName;
  passed: number;
  failed: number;
  skipped: number;
  failures: TestFailure[];
  elapsedMs: number;
  /** Why the tier, or a part of it, could not run. */
  couldNotRun: string | null;
}

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

export function addUp(results: readonly Totals[]): Totals {
  return {
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failed: results.reduce((sum, { failed }) => sum + failed, 0),
    skipped: results.reduce((sum, { skipped }) => sum + skipped, 0),
  };
}

/** The closing line, alone on its line: other programs read it. */
export const closingLine = ({ passed, failed, skipped }: Totals): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

const MUST_RUN_IN_CI: readonly TierName[] = ['unit', 'system', 'vm'];

/** A tier that can't run is skipped loudly; in CI those that prove the product have failed. */
export function couldNotRun(tier: TierName, reason: string, ci: boolean, elapsedMs: number): TierResult {
  const failed = ci && MUST_RUN_IN_CI.includes(tier) ? 1 : 0;
  return {
    tier,
    passed: 0,
    failed,
    skipped: 1 - failed,
    failures: failed === 0 ? [] : [{ name: `${tier} must run in CI`, message: reason }],
    elapsedMs,
    couldNotRun: reason,
  };
}
