import { asHearthError } from '@hearth/contract';
import { loadConfig } from '../config.ts';
import { makeContext, type CommonOptions } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { run } from '../exec/run.ts';
import { runSteps, type StepDisplay } from '../setup/steps.ts';
import { formatDuration } from '../terminal/duration.ts';
import type { Output } from '../terminal/output.ts';
import { makeStepDisplay } from '../terminal/step-display.ts';
import { boundaryChecks, lintChecks, typeChecks, type Check } from './checks.ts';
import { needsRoot, preparationFor } from './preparation.ts';
import { addUp, closingLine, couldNotRun, type TestFailure, type TierResult, type Totals } from './result.ts';
import { tierNames, type TierName } from './tier-names.ts';
import { runVitestProject } from './vitest-tier.ts';

export interface TestOptions extends CommonOptions {
  tier?: TierName[];
}

/** About how long a tier takes on two cores without KVM, for its bar. */
const expectedMs: Record<TierName, number> = {
  typecheck: 20_000,
  lint: 60_000,
  boundaries: 30_000,
  unit: 150_000,
  system: 130_000,
  vm: 1_800_000,
};
const noTimes = { expectedMs: () => undefined, took: () => undefined };

export async function runTiers(options: TestOptions): Promise<void> {
  const context = makeContext(options);
  const { out, signal, environment } = context;
  const config = await loadConfig(options.config, environment);
  const wanted = tierNames.filter((tier) => options.tier?.includes(tier) ?? true);
  const display = makeStepDisplay(out, () => performance.now());
  const results: TierResult[] = [];
  try {
    for (const tier of wanted) {
      const startMs = performance.now();
      const elapsedMs = (): number => Math.round(performance.now() - startMs);
      const result = await runTier(tier);
      results.push(result);
      if (out.json) out.value({ type: 'tier', ...result });
      else sayResult(result, out);

      async function runTier(name: TierName): Promise<TierResult> {
        if (needsRoot(name) && process.getuid?.() !== 0)
          return couldNotRun(
            name,
            'needs root: it makes network namespaces and VMs (sudo ./hearth test)',
            environment.ci,
            elapsedMs(),
          );
        try {
          await runSteps(preparationFor(name, run, config, signal), display, noTimes, () =>
            performance.now(),
          );
        } catch (error) {
          if (signal.aborted) throw error;
          return couldNotRun(
            name,
            `its set-up failed: ${asHearthError(error).detail}`,
            environment.ci,
            elapsedMs(),
          );
        }
        if (!out.json) display.started(name, expectedMs[name]);
        const onLine = showLine(name, display, out, options.verbose === true || environment.ci);
        const outcome = await runTests(name, onLine, signal);
        if (outcome.passed + outcome.failed + outcome.skipped === 0)
          return couldNotRun(name, 'there are no tests in it', environment.ci, elapsedMs());
        return { tier: name, ...outcome, elapsedMs: elapsedMs(), couldNotRun: null };
      }
    }
  } finally {
    display.stop();
  }
  const totals = addUp(results);
  if (out.json) out.value({ type: 'total', ...totals });
  else out.line(closingLine(totals));
  if (totals.failed > 0) throw new Exit(exitCodes.failure);
}

async function runTests(
  tier: TierName,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<Totals & { failures: TestFailure[] }> {
  switch (tier) {
    case 'typecheck':
      return runChecks(typeChecks(run), onLine, signal);
    case 'lint':
      return runChecks(lintChecks(run), onLine, signal);
    case 'boundaries':
      return runChecks(boundaryChecks(run), onLine, signal);
    case 'unit':
    case 'system':
    case 'vm':
      return runVitestProject(run, tier, onLine, signal);
  }
}

async function runChecks(
  checks: readonly Check[],
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<Totals & { failures: TestFailure[] }> {
  const failures: TestFailure[] = [];
  for (const { name, check } of checks) {
    onLine(name);
    const failure = await check(signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      return { name, message: `the check itself failed: ${asHearthError(error).detail}` };
    });
    if (failure !== null) failures.push(failure);
  }
  return { passed: checks.length - failures.length, failed: failures.length, skipped: 0, failures };
}

/** On a terminal the newest line beside the bar; elsewhere every line where that is wanted, so that a log shows life. */
function showLine(
  tier: TierName,
  display: StepDisplay,
  out: Output,
  everyLine: boolean,
): (line: string) => void {
  return (line) => {
    if (line.trim() === '' || out.json) return;
    if (out.live) display.stage(tier, line.trim(), undefined);
    if (everyLine) display.note(`  ${line}`);
  };
}

/** A linter can fill a hundred screens with one cause. */
const SHOWN_LINES = 60;

function shorten(message: string): string[] {
  const lines = message.split('\n');
  if (lines.length <= SHOWN_LINES) return lines;
  return [...lines.slice(0, SHOWN_LINES), `… and ${lines.length - SHOWN_LINES} more lines`];
}

function sayResult(result: TierResult, out: Output): void {
  const { paint } = out;
  const { tier, failed, failures, elapsedMs, couldNotRun: reason } = result;
  const time = paint.dim(`· ${formatDuration(elapsedMs)}`);
  if (out.live) out.raw('\r\u001b[2K');
  if (reason !== null) {
    const word = failed > 0 ? paint.bad('COULD NOT RUN (a failure in CI)') : paint.warn('COULD NOT RUN');
    out.line(`${failed > 0 ? paint.bad('✗') : paint.warn('!')} ${tier}: ${word}: ${reason} ${time}`);
    return;
  }
  out.line(`${failed === 0 ? paint.good('✓') : paint.bad('✗')} ${tier}: ${closingLine(result)} ${time}`);
  for (const { name, message } of failures)
    out.line([`  ${paint.bad('✗')} ${name}`, ...shorten(message).map((line) => `      ${line}`)].join('\n'));
}
