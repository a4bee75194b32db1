import type { Run, RunState } from '@hearth/contract';
import { terminalRunStates } from '@hearth/contract';

/** States as people say them. */
export const runStateWords: Readonly<Record<RunState, string>> = {
  queued: 'waiting',
  paused: 'paused',
  starting: 'starting',
  running: 'running',
  succeeded: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  timed_out: 'took too long',
};

/** Name of the badge's look. */
export const runLook: Readonly<Record<RunState, string>> = {
  queued: '',
  paused: 'paused',
  starting: 'starting',
  running: 'starting',
  succeeded: 'ready',
  failed: 'failed',
  cancelled: '',
  timed_out: 'failed',
};

export const isRunOver = ({ state }: Pick<Run, 'state'>): boolean => terminalRunStates.includes(state);

/** Why nothing happens yet; null once something does. */
export function waitingWords({ state, position, waitingFor }: Run): string | null {
  if (state === 'starting') return 'Your CLI VM is made ready…';
  if (state !== 'queued' && state !== 'paused') return null;
  const place = position === null ? '' : position === 0 ? 'It is next. ' : `${position} before it. `;
  return `${place}It waits for ${waitingFor ?? 'its turn'}.`;
}
