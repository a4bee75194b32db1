import {
  asHearthError,
  pause,
  startProgress,
  withAbort,
  type Address,
  type Config,
  type Drift,
  type DriftReport,
  type Log,
  type Progress,
  type VmId,
} from '@hearth/contract';
import type { HostNetwork } from '../network/host-network.ts';
import { compare, findingKey, type Finding } from './compare.ts';
import { expectationOf, type Expectation, type ExpectingRecord } from './expectation.ts';
import { look } from './look.ts';

export interface ReconcilerDeps {
  config: Config;
  records: () => readonly ExpectingRecord[];
  book: { list(): { vmId: VmId; address: Address }[] };
  network: Pick<HostNetwork, 'sight' | 'repair'>;
  /** Epoch milliseconds. */
  now?: () => number;
  log: Log;
}

/** Compares what is written down with what the machine shows, and puts right what differs. */
export interface Reconciler {
  /** One pass; who asks during one gets that one's report. Throws what keeps it from looking. */
  pass(progress: Progress): Promise<DriftReport>;
  last(): DriftReport | null;
  /** VMs with whose network or process something is wrong that was not repaired. */
  suspects(): ReadonlySet<VmId>;
  /** A pass at once, and every `host.reconcileSeconds` after it, until it is stopped. */
  start(): void;
  stop(): Promise<void>;
}

const PASS_TIMEOUT_MS = 60_000;
/** A VMM that just ended is noticed by its watcher within this. */
const WATCHER_MS = 1000;
const RANK: readonly Drift['outcome'][] = ['failed', 'named', 'repaired'];

export function createReconciler({
  config,
  records,
  book,
  network,
  now = Date.now,
  log,
}: ReconcilerDeps): Reconciler {
  const ended = new AbortController();
  let report: DriftReport | null = null;
  let underWay: Promise<DriftReport> | null = null;
  let passes = 0;
  let repairs = 0;
  let timer: NodeJS.Timeout | undefined;
  let lastFault: string | null = null;

  const expectation = (): Expectation => expectationOf(config, records(), book.list());

  /** What is wrong both by what was written down before the look and by what is after it: nothing that comes or goes at this moment. */
  async function findings(progress: Progress): Promise<Finding[]> {
    const before = expectation();
    const seen = await look(before, network, progress);
    const known = new Set(compare(before, seen).map(findingKey));
    return compare(expectation(), seen).filter((finding) => known.has(findingKey(finding)));
  }

  async function drifts(progress: Progress): Promise<Drift[]> {
    const found = await findings(progress);
    if (found.length === 0) return [];
    const remedies = found.flatMap(({ remedy }) => remedy ?? []);
    if (remedies.length > 0) await network.repair(remedies, progress);
    if (found.some(({ subject }) => subject === 'process')) await pause(WATCHER_MS, progress.signal);
    const left = await findings(progress);
    const stillWrong = new Set(left.map(findingKey));
    const outcomeOf = (finding: Finding): Drift => {
      const { remedy: _, ...drift } = finding;
      return { ...drift, outcome: stillWrong.has(findingKey(finding)) ? 'failed' : 'repaired' };
    };
    return [
      ...found.filter(({ remedy }) => remedy !== null).map(outcomeOf),
      ...left
        .filter(({ remedy }) => remedy === null)
        .map(({ remedy: _, ...drift }): Drift => ({ ...drift, outcome: 'named' })),
    ].sort((a, b) => RANK.indexOf(a.outcome) - RANK.indexOf(b.outcome));
  }

  /** One line for each that is new: what stays wrong is in the report. */
  function tell(fresh: readonly Drift[]): void {
    const told = new Set(
      (report?.drifts ?? [])
        .filter(({ outcome }) => outcome !== 'repaired')
        .map((drift) => `${drift.outcome} ${findingKey(drift)}`),
    );
    for (const drift of fresh)
      if (!told.has(`${drift.outcome} ${findingKey(drift)}`))
        log(`drift: ${drift.subject} ${drift.name}: ${drift.found}`, { ...drift });
  }

  async function passOnce(): Promise<DriftReport> {
    const startedMs = performance.now();
    const progress = startProgress({
      ...{ what: 'comparing the book with the machine', timeoutMs: PASS_TIMEOUT_MS, log },
      signal: ended.signal,
    });
    const found = await drifts(progress);
    passes += 1;
    repairs += found.filter(({ outcome }) => outcome === 'repaired').length;
    tell(found);
    report = {
      at: new Date(now()).toISOString(),
      vms: records().length,
      tookMs: performance.now() - startedMs,
      drifts: found,
      ...{ passes, repairs },
    };
    return report;
  }

  function begin(): Promise<DriftReport> {
    underWay ??= passOnce().finally(() => {
      underWay = null;
    });
    return underWay;
  }

  async function byItself(): Promise<void> {
    try {
      await begin();
      lastFault = null;
    } catch (error) {
      const { message } = asHearthError(error);
      if (!ended.signal.aborted && message !== lastFault)
        log('drift could not be looked for', { error: message });
      lastFault = message;
    }
    schedule();
  }

  function schedule(): void {
    if (ended.signal.aborted || config.host.reconcileSeconds === 0) return;
    timer = setTimeout(() => void byItself(), config.host.reconcileSeconds * 1000);
  }

  return {
    pass: (progress) => withAbort(begin(), progress.signal),
    last: () => report,
    suspects: () =>
      new Set(
        (report?.drifts ?? []).flatMap(({ vmId, outcome }) =>
          vmId === null || outcome === 'repaired' ? [] : [vmId],
        ),
      ),
    start: () => void byItself(),
    stop: async () => {
      ended.abort();
      clearTimeout(timer);
      await underWay?.catch(() => undefined);
    },
  };
}
