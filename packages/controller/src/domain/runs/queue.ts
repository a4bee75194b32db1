import { providers, type RunId, type UserId, type VmId } from '@hearth/contract';
import type { RunRecord } from './run-record.ts';

export interface QueueLimits {
  maxPerUser: number;
  maxPerVm: number;
}

export interface Queue {
  /** All runs that aren't over. */
  runs: readonly RunRecord[];
  homes: ReadonlyMap<UserId, VmId>;
  limits: QueueLimits;
  /** What can't start for now, by {@link placeOf}: what it waits for, in words. */
  blocked: ReadonlyMap<string, string>;
}

export interface QueuePlan {
  /** Whose turn it is, in this order. */
  start: RunId[];
  waiting: Map<RunId, { position: number | null; waitingFor: string }>;
}

/** Where a run takes place, or will; a home that isn't made yet has a name as well. */
const vmOf = ({ vmId, wantedVmId, userId }: RunRecord, homes: Queue['homes']): string =>
  vmId ?? wantedVmId ?? homes.get(userId) ?? `the VM of ${userId}`;

/** Runs of one place start one after another: what blocks one, blocks those behind it. */
export const placeOf = (run: RunRecord, homes: Queue['homes']): string =>
  `${run.userId} ${run.provider} ${vmOf(run, homes)}`;

/** First come, first served for each person; between persons, whoever has the fewest under way is next. */
export function planQueue({ runs, homes, limits, blocked }: Queue): QueuePlan {
  const plan: QueuePlan = { start: [], waiting: new Map() };
  const underWay = runs.filter(({ state }) => state === 'starting' || state === 'running');
  const perUser = new Map<string, number>();
  const perVm = new Map<string, number>();
  const conversations = new Set<string>();
  const begin = (run: RunRecord): void => {
    increase(perUser, run.userId);
    increase(perVm, vmOf(run, homes));
    if (run.sessionId !== null) conversations.add(conversationOf(run, run.sessionId));
  };
  underWay.forEach(begin);

  const hindrance = (run: RunRecord): string | null => {
    const vm = vmOf(run, homes);
    if ((perUser.get(run.userId) ?? 0) >= limits.maxPerUser)
      return `one of your ${limits.maxPerUser} runs under way to end`;
    if ((perVm.get(vm) ?? 0) >= limits.maxPerVm) return `one of the ${limits.maxPerVm} runs in ${vm} to end`;
    if (run.continues !== null && conversations.has(conversationOf(run, run.continues)))
      return 'the run before it in its conversation to end';
    return blocked.get(placeOf(run, homes)) ?? null;
  };

  const queues = Map.groupBy(
    runs.filter(({ state }) => state === 'queued').toSorted(byAge),
    ({ userId }) => userId,
  );
  const waits = (run: RunRecord): boolean => !plan.start.includes(run.id);
  // Ends: every turn starts one of finitely many runs.
  for (;;) {
    const next = [...queues.values()]
      .flatMap((queue) => queue.find((run) => waits(run) && hindrance(run) === null) ?? [])
      .toSorted((a, b) => (perUser.get(a.userId) ?? 0) - (perUser.get(b.userId) ?? 0) || byAge(a, b))[0];
    if (next === undefined) break;
    plan.start.push(next.id);
    begin(next);
  }

  for (const queue of queues.values())
    for (const [position, run] of queue.filter(waits).entries())
      plan.waiting.set(run.id, { position, waitingFor: hindrance(run) ?? 'its turn' });
  for (const { id, provider, state } of runs)
    if (state === 'paused')
      plan.waiting.set(id, {
        position: null,
        waitingFor: `you to sign in to ${providers[provider].title} again`,
      });
  return plan;
}

const conversationOf = ({ userId, provider }: RunRecord, id: string): string => `${userId} ${provider} ${id}`;
const byAge = (a: RunRecord, b: RunRecord): number =>
  a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id);
const increase = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
};
