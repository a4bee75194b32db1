import type { Drift, DriftReport, Leftover, SweepReport } from '@hearth/contract';

/** What the fake has left over and out of order; the test says what. */
export interface FakeUpkeep {
  leftovers: Leftover[];
  drifts: Drift[];
  sweep(dryRun: boolean): SweepReport;
  drift(now: boolean, vms: number): DriftReport;
}

export function createUpkeep(): FakeUpkeep {
  let passes = 0;
  let at = new Date(0);
  const upkeep: FakeUpkeep = {
    leftovers: [],
    drifts: [],
    sweep: (dryRun) => {
      const leftovers = upkeep.leftovers.map((one) => ({ ...one, removed: dryRun ? null : true }));
      if (!dryRun) upkeep.leftovers = [];
      return { at: new Date().toISOString(), dryRun, leftovers };
    },
    drift: (now, vms) => {
      if (now || passes === 0) {
        passes += 1;
        at = new Date();
      }
      const repairs = upkeep.drifts.filter(({ outcome }) => outcome === 'repaired').length;
      return { at: at.toISOString(), vms, tookMs: 1, drifts: upkeep.drifts, passes, repairs };
    },
  };
  return upkeep;
}
