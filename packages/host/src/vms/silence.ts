/** What the watchdog knows of one VM. */
export interface Silence {
  /** Since when it has not been well, monotonic milliseconds; null while it is. */
  sinceMs: number | null;
  /** It was looked at and told since then. */
  told: boolean;
  /** When it was restarted for it within the last hour. */
  restartsMs: readonly number[];
}

export const noSilence: Silence = { sinceMs: null, told: false, restartsMs: [] };

export interface Look {
  nowMs: number;
  /** Its agent answered, its services run, and nothing is known to be wrong with its network. */
  well: boolean;
  /** Its agent answered. */
  answered: boolean;
  graceMs: number;
  policy: 'tell' | 'restart' | 'fail';
  maxRestarts: number;
}

/** tell: ask why and keep the answer; clear: it is well again; the others also do what the policy says. */
export type Act = 'none' | 'tell' | 'clear' | 'restart' | 'fail';

const HOUR_MS = 3_600_000;

/**
 * What follows from one look at a VM that should be ready; pure. A VM that answers is never restarted nor given up, whatever else is
 * wrong with it: somebody may be at work in it.
 */
export function afterLook(before: Silence, look: Look): { silence: Silence; act: Act } {
  const { nowMs, well, answered, graceMs, policy, maxRestarts } = look;
  const restartsMs = before.restartsMs.filter((atMs) => nowMs - atMs < HOUR_MS);
  if (well) return { silence: { ...noSilence, restartsMs }, act: before.told ? 'clear' : 'none' };
  const sinceMs = before.sinceMs ?? nowMs;
  const silence: Silence = { sinceMs, told: before.told, restartsMs };
  if (nowMs - sinceMs < graceMs || before.told) return { silence, act: 'none' };
  const told = { ...silence, told: true };
  if (answered || policy === 'tell') return { silence: told, act: 'tell' };
  if (policy === 'fail') return { silence: told, act: 'fail' };
  if (restartsMs.length >= maxRestarts) return { silence: told, act: 'tell' };
  return { silence: { ...noSilence, restartsMs: [...restartsMs, nowMs] }, act: 'restart' };
}
