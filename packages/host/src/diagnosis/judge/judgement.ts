import { whyCauses, type HearthError, type WhyCause, type WhyCheckName } from '@hearth/contract';
import type { Evidence } from '../evidence.ts';

/** The causes that a check may find. */
type CauseOf<Check extends WhyCheckName> = {
  [Cause in WhyCause]: (typeof whyCauses)[Cause]['check'] extends Check ? Cause : never;
}[WhyCause];

interface Fine {
  status: 'ok' | 'unknown' | 'skipped';
  cause: null;
  says: string;
  evidence: string[];
}
interface Fault<Cause extends WhyCause> {
  status: 'broken';
  cause: Cause;
  says: string;
  evidence: string[];
}
export type Judgement<Check extends WhyCheckName> = Fine | Fault<CauseOf<Check>>;
export type Judge<Check extends WhyCheckName> = (evidence: Evidence) => Judgement<Check>;

export const ok = (says: string, evidence: string[] = []): Fine => ({
  ...{ status: 'ok', cause: null, says, evidence },
});
export const unknown = (says: string, evidence: string[] = []): Fine => ({
  ...{ status: 'unknown', cause: null, says, evidence },
});
export const skipped = (says: string): Fine => ({
  ...{ status: 'skipped', cause: null, says, evidence: [] },
});
export const broken = <Cause extends WhyCause>(
  cause: Cause,
  says: string,
  evidence: string[] = [],
): Fault<Cause> => ({
  ...{ status: 'broken', cause, says, evidence },
});

/** It was not looked at, or could not be. */
export const notHad = (error: HearthError | undefined, otherwise: string): Fine =>
  error === undefined ? skipped(otherwise) : unknown(error.detail);
