import type { CommonOptions } from '../context.ts';
import type { TierName } from './tier-names.ts';
export interface TestOptions extends CommonOptions {
  tier?: TierName[];
}
export async function runTiers(_: TestOptions): Promise<void> {}
