import type { RunState } from '@hearth/contract';

/**
 * What can happen to a run.
 * taken: its turn has come; put_back: something that it needs is in use, or there is no room yet; refused: the credential waits
 * for a new sign-in; signed_in: that has happened; sent: the guest has it; succeeded, failed, cancelled, timed_out: its end.
 */
export const runSteps = [
  'taken',
  'put_back',
  'refused',
  'signed_in',
  'sent',
  'succeeded',
  'failed',
  'cancelled',
  'timed_out',
] as const;
export type RunStep = (typeof runSteps)[number];

/** state × step → state; a step that isn't listed changes nothing. The last four are terminal (F22). */
export const runStateTable: Readonly<Record<RunState, Readonly<Partial<Record<RunStep, RunState>>>>> = {
  queued: { taken: 'starting', refused: 'paused', failed: 'failed', cancelled: 'cancelled' },
  paused: { signed_in: 'queued', failed: 'failed', cancelled: 'cancelled' },
  starting: {
    sent: 'running',
    put_back: 'queued',
    refused: 'paused',
    failed: 'failed',
    cancelled: 'cancelled',
  },
  running: { succeeded: 'succeeded', failed: 'failed', cancelled: 'cancelled', timed_out: 'timed_out' },
  succeeded: {},
  failed: {},
  cancelled: {},
  timed_out: {},
};
