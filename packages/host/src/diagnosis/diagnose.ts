import { startProgress, type Why, type WhyCheck } from '@hearth/contract';
import type { Evidence } from './evidence.ts';
import { gather } from './gather.ts';
import { findingOf, firstCause, markFailure } from './judge/verdict.ts';
import { walk } from './judge/walk.ts';
import { plainLine } from './look/plain-line.ts';
import type { DiagnosisOptions } from './options.ts';
import type { DiagnosisSubject } from './subject.ts';

export type { DiagnosisOptions } from './options.ts';
export type { DiagnosisSubject } from './subject.ts';

/** Why can't this VM be reached? (F47) */
export interface Diagnosis {
  /** Walks all checks. Never throws for what is broken; only where `signal` ends it. */
  diagnose(subject: DiagnosisSubject, trigger: Why['trigger'], signal: AbortSignal): Promise<Why>;
}

/** Guards the whole; its parts have shorter ones. */
const TIMEOUT_MS = 30_000;
/** Nobody waits for minutes: a machine that is slower still gets no more. */
const MAX_FACTOR = 6;
const MAX_EVIDENCE = 10;

const RESTING: ReadonlySet<string> = new Set(['hibernated', 'hibernating', 'deleting', 'gone']);

export function createDiagnosis(options: DiagnosisOptions): Diagnosis {
  const { now, log, slowness = () => Promise.resolve(1) } = options;
  return {
    diagnose: async (subject, trigger, signal) => {
      const startMs = performance.now();
      const factor = Math.min(MAX_FACTOR, Math.max(1, await slowness().catch(() => 1)));
      const { id } = subject.record;
      const progress = startProgress({
        ...{ what: `diagnosis of ${id}`, timeoutMs: TIMEOUT_MS * factor, signal },
        log: (message, fields) => log(message, { vmId: id, ...fields }),
      });
      const evidence = await gather(subject, trigger, options, factor, progress);
      if (signal.aborted) progress.throwIfAborted();
      const judged = judge(evidence, new Date(now()), cleanerFor(subject));
      return { ...judged, tookMs: performance.now() - startMs };
    },
  };
}

/**
 * What the evidence comes to. Pure.
 * @param clean makes a line fit to be shown
 */
export function judge(
  evidence: Evidence,
  at: Date,
  clean: (text: string) => string = plainLine,
): Omit<Why, 'tookMs'> {
  const { record, trigger } = evidence;
  const tidy = (check: WhyCheck): WhyCheck => ({
    ...check,
    says: clean(check.says),
    evidence: check.evidence.slice(0, MAX_EVIDENCE).map(clean),
  });
  const checks = markFailure(walk(evidence), evidence).map(tidy);
  const common = { vmId: record.id, at: at.toISOString(), trigger };
  if (trigger !== 'failed' && RESTING.has(record.state)) {
    const failure = record.failure === null ? '' : `; its last resumption failed: ${record.failure.detail}`;
    return {
      ...{ ...common, verdict: 'not_running', finding: null, checks: checks.slice(0, 1) },
      summary: clean(`It does not run: its state is ${record.state}${failure}`),
    };
  }
  const first = firstCause(checks, evidence);
  if (first === null) {
    const summary =
      record.state === 'ready'
        ? 'Every layer that could be looked at is as it should be'
        : `It is still coming up (${record.state}); nothing is wrong so far`;
    return { ...common, verdict: 'healthy', summary, finding: null, checks };
  }
  const finding = findingOf(first, at);
  return {
    ...{ ...common, verdict: 'broken', finding, checks },
    summary: `${finding.title}: ${finding.detail}`,
  };
}

/** A guest may print its token: what is shown and kept has it not. Then short plain lines, whatever a guest or a program said. */
function cleanerFor({ endpoint, vncPassword }: DiagnosisSubject): (text: string) => string {
  const secrets = [endpoint?.token, vncPassword].flatMap((secret) =>
    secret == null ? [] : [secret.reveal()],
  );
  return (text) => plainLine(secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text));
}
