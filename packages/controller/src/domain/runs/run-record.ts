import {
  HearthError,
  terminalRunStates,
  toFailure,
  type Failure,
  type ProviderId,
  type Run,
  type RunEvent,
  type RunId,
  type RunState,
  type UserId,
  type VmId,
} from '@hearth/contract';
import { runStateTable, type RunStep } from './state-table.ts';

const SHOWN_PROMPT_CHARACTERS = 400;

/** A run as the controller keeps it: what the API shows, and what it takes to go on with it. */
export interface RunRecord extends Omit<Run, 'position' | 'waitingFor'> {
  /** The conversation that it continues. */
  continues: string | null;
  /** null: in its person's own one. */
  wantedVmId: VmId | null;
  timeoutMs: number;
  /** What ended its tool, once that has ended. */
  endedBy: 'itself' | 'timeout' | 'cancel' | null;
  requestId: string;
  /** Someone cancelled it; its tool may still run. */
  cancelWanted: boolean;
  /** Last line of its output in the guest that is taken in; -1 before the first. */
  guestSeq: number;
  /** The guest may have something of it. */
  inGuest: boolean;
  /** What the tool said where it wants a sign-in; null also where it went on all the same. */
  needsLogin: string | null;
  /** Its last fault that it did not get over. */
  toolError: string | null;
  stderrTail: string;
}

/** What a run that waits still has to be given. */
export interface RunOrder {
  prompt: string;
  files: { path: string; contentBase64: string }[];
  model: string | null;
  baseUrl: string | null;
}

/** An event without its place. */
export type NewRunEvent = RunEvent extends infer E
  ? E extends RunEvent
    ? Omit<E, 'seq' | 'at'>
    : never
  : never;

/** A run's next record, and the events that come with it. */
export interface RunChange {
  run: RunRecord;
  events: RunEvent[];
}

export interface NewRun {
  id: RunId;
  userId: UserId;
  provider: ProviderId;
  prompt: string;
  continues: string | null;
  model: string | null;
  cwd: string;
  wantedVmId: VmId | null;
  timeoutMs: number;
  requestId: string;
  /** Its credential waits for a new sign-in. */
  paused: boolean;
  now: Date;
}

export function newRun({ now, paused, prompt, ...given }: NewRun): RunRecord {
  return {
    ...given,
    state: paused ? 'paused' : 'queued',
    version: 0,
    prompt: prompt.slice(0, SHOWN_PROMPT_CHARACTERS),
    sessionId: given.continues,
    vmId: null,
    exitCode: null,
    failure: null,
    createdAt: now.toISOString(),
    startedAt: null,
    endedAt: null,
    usage: null,
    events: 0,
    changes: null,
    endedBy: null,
    cancelWanted: false,
    guestSeq: -1,
    inGuest: false,
    needsLogin: null,
    toolError: null,
    stderrTail: '',
  };
}

export const isEnded = ({ state }: Pick<RunRecord, 'state'>): boolean => terminalRunStates.includes(state);

/** Moves a run by one step. Gives null where the step changes nothing. */
export function advance(run: RunRecord, step: RunStep): RunRecord | null {
  const state = runStateTable[run.state][step];
  return state === undefined ? null : { ...run, state, version: run.version + 1 };
}

/** Puts events behind those that the run has. */
export function withEvents(run: RunRecord, events: readonly NewRunEvent[], now: Date): RunChange {
  const at = now.toISOString();
  return {
    run: { ...run, events: run.events + events.length },
    events: events.map((event, index): RunEvent => ({ ...event, seq: run.events + index, at })),
  };
}

/** The guest has it, and its tool runs. */
export function sent(run: RunRecord, vmId: VmId, now: Date): RunChange | null {
  const next = advance(run, 'sent');
  if (next === null) return null;
  return withEvents({ ...next, startedAt: now.toISOString() }, [{ type: 'started', vmId }], now);
}

/**
 * Ends a run. `failure`: its cause; null where it succeeded or was cancelled. Gives null where it can't end so from its state.
 */
export function end(
  run: RunRecord,
  step: Extract<RunStep, RunState>,
  failure: Failure | null,
  now: Date,
): RunChange | null {
  const next = advance(run, step);
  if (next === null) return null;
  const { state, exitCode } = next;
  const last: NewRunEvent =
    exitCode === null
      ? { type: 'error', failure: failure ?? cancelledEarly(now), state }
      : { type: 'done', exitCode, state };
  return withEvents({ ...next, failure, endedAt: now.toISOString() }, [last], now);
}

const cancelledEarly = (now: Date): Failure =>
  toFailure(new HearthError('aborted', 'the run was cancelled before its tool ended'), now);
