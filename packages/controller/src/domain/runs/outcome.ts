import { HearthError, providers, toFailure, type Failure } from '@hearth/contract';
import type { RunRecord } from './run-record.ts';

const WORDS_CHARACTERS = 600;

/** How a run ends whose tool has ended. */
export interface Outcome {
  step: 'succeeded' | 'failed' | 'cancelled' | 'timed_out';
  failure: Failure | null;
}

/** F22: what the tool's end means; the exit code alone is not believed, nor a fault that the tool got over. */
export function outcomeOf(run: RunRecord, now: Date): Outcome {
  const { exitCode, endedBy, needsLogin, toolError, stderrTail, provider, timeoutMs } = run;
  const { title } = providers[provider];
  const failed = (error: HearthError): Outcome => ({ step: 'failed', failure: toFailure(error, now) });
  if (endedBy === 'cancel') return { step: 'cancelled', failure: null };
  if (endedBy === 'timeout') {
    const error = new HearthError('run_timed_out', `${title} did not end within ${timeoutMs / 1000} s`);
    return { step: 'timed_out', failure: toFailure(error, now) };
  }
  if (needsLogin !== null) return failed(new HearthError('needs_login', `${title}: ${needsLogin}`));
  if (exitCode === 0 && toolError === null) return { step: 'succeeded', failure: null };
  const words = toolError ?? stderrTail.trim().slice(-WORDS_CHARACTERS);
  const ended = `${title} ended with exit code ${exitCode ?? 'unknown'}`;
  return failed(new HearthError('run_failed', words === '' ? ended : `${ended}: ${words}`));
}

/** How the end counts for its credential; null: it says nothing of it. */
export function verdictOf({ needsLogin, endedBy }: RunRecord): boolean | null {
  if (needsLogin !== null) return true;
  return endedBy === 'itself' ? false : null;
}
