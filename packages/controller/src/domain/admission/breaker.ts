import type { Breaker, Config, Failure, Finding, VmId, VmKind } from '@hearth/contract';

export type BreakerPolicy = Config['breaker'];

/** What a start failed of. */
export interface StartFailure {
  vmId: VmId;
  kind: VmKind;
  failure: Failure;
  finding: Finding | null;
}

/** How one start of a VM ended. */
export interface StartOutcome {
  vmId: VmId;
  /** Tells this start of the VM from its others: when it was asked for, or failed. */
  start: string;
  /** When it ended, epoch ms. */
  atMs: number;
  /** null: it became ready. */
  failed: StartFailure | null;
  /** Was it made to find out whether VMs start again? */
  probe: boolean;
}

/** closed → open: too many starts fail; open → half_open: a probe is on its way; half_open → closed or open: by its outcome. */
export interface BreakerModel {
  state: Breaker['state'];
  /** Of the window, in the order in which they were learnt. */
  outcomes: readonly StartOutcome[];
  /** When it was last closed: what ended before says nothing any more. */
  sinceMs: number;
  /** null while `closed`. */
  openedAtMs: number | null;
  /** null unless `open`. */
  probeAtMs: number | null;
  /** null unless `half_open`. */
  probeVmId: VmId | null;
  /** null while `closed`. */
  reason: StartFailure | null;
}

export type BreakerEvent =
  | { type: 'outcome'; outcome: StartOutcome; nowMs: number }
  | { type: 'probe_begun'; vmId: VmId; nowMs: number }
  /** It ended without telling anything: refused for lack of room, deleted. */
  | { type: 'probe_lost'; vmId: VmId; nowMs: number }
  | { type: 'closed_by_hand'; nowMs: number };

export const closedBreaker = (sinceMs = -Infinity): BreakerModel => ({
  state: 'closed',
  outcomes: [],
  sinceMs,
  openedAtMs: null,
  probeAtMs: null,
  probeVmId: null,
  reason: null,
});

/** Moves the breaker by one event; gives the same model where the event changes nothing. */
export function stepBreaker(model: BreakerModel, event: BreakerEvent, policy: BreakerPolicy): BreakerModel {
  const { nowMs } = event;
  switch (event.type) {
    case 'outcome':
      return withOutcome(model, event.outcome, nowMs, policy);
    case 'probe_begun':
      return model.state === 'open'
        ? { ...model, state: 'half_open', probeAtMs: null, probeVmId: event.vmId }
        : model;
    case 'probe_lost':
      return model.state === 'half_open' && model.probeVmId === event.vmId
        ? { ...model, state: 'open', probeAtMs: nowMs + coolDownMs(policy), probeVmId: null }
        : model;
    case 'closed_by_hand':
      return model.state === 'closed' ? model : closedBreaker(nowMs);
  }
}

function withOutcome(
  model: BreakerModel,
  outcome: StartOutcome,
  nowMs: number,
  policy: BreakerPolicy,
): BreakerModel {
  const { vmId, start, atMs, failed, probe } = outcome;
  if (atMs <= Math.max(model.sinceMs, nowMs - windowMs(policy))) return model;
  if (model.outcomes.some((one) => one.vmId === vmId && one.start === start)) {
    // What `why` found may come after the failure itself.
    const better = model.reason?.vmId === vmId && model.reason.finding === null && failed?.finding != null;
    return better ? { ...model, reason: failed } : model;
  }
  const outcomes = [...recent(model.outcomes, nowMs, policy), outcome];
  const next: BreakerModel = { ...model, outcomes };
  if (model.state !== 'closed') {
    // Only the probe decides: it was started while nothing else was.
    if (!probe) return next;
    return failed === null ? closedBreaker(atMs) : opened(next, failed, nowMs, policy);
  }
  return failed !== null && failsTooOften(outcomes, policy) ? opened(next, failed, nowMs, policy) : next;
}

const opened = (
  model: BreakerModel,
  reason: StartFailure,
  nowMs: number,
  policy: BreakerPolicy,
): BreakerModel => ({
  ...model,
  state: 'open',
  openedAtMs: model.openedAtMs ?? nowMs,
  probeAtMs: nowMs + coolDownMs(policy),
  probeVmId: null,
  reason,
});

function failsTooOften(
  outcomes: readonly StartOutcome[],
  { minFailures, failureRate }: BreakerPolicy,
): boolean {
  const failures = outcomes.filter(({ failed }) => failed !== null).length;
  return failures >= minFailures && failures / outcomes.length > failureRate;
}

const windowMs = ({ windowMinutes }: BreakerPolicy): number => windowMinutes * 60_000;
const coolDownMs = ({ coolDownSeconds }: BreakerPolicy): number => coolDownSeconds * 1000;
const recent = (
  outcomes: readonly StartOutcome[],
  nowMs: number,
  policy: BreakerPolicy,
): readonly StartOutcome[] => outcomes.filter(({ atMs }) => atMs > nowMs - windowMs(policy));

/** Is it time to try one VM? */
export const isProbeDue = ({ state, probeAtMs }: BreakerModel, nowMs: number): boolean =>
  state === 'open' && probeAtMs !== null && probeAtMs <= nowMs;

/** As the API shows it. */
export function toBreaker(model: BreakerModel, nowMs: number, policy: BreakerPolicy): Breaker {
  const { state, openedAtMs, probeAtMs, probeVmId, reason } = model;
  const outcomes = recent(model.outcomes, nowMs, policy);
  const failures = outcomes.filter(({ failed }) => failed !== null).length;
  return {
    state,
    failures,
    successes: outcomes.length - failures,
    openedAt: isoOf(openedAtMs),
    probeAt: isoOf(probeAtMs),
    probeVmId,
    reason: reason === null ? null : { vmId: reason.vmId, failure: reason.failure, finding: reason.finding },
  };
}

const isoOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
