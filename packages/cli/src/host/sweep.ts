import { sweepReportSchema, traceKinds, type Leftover, type SweepReport } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import type { Paint } from '../terminal/output.ts';
import { renderTable } from '../terminal/table.ts';

/** Processes are given time to end, and disks of gigabytes go. */
const SWEEP_TIMEOUT_MS = 300_000;

/** Exits with 1 where something could not be removed. */
export async function sweepHost(options: CommonOptions & { dryRun?: boolean }): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const report = await api.call('POST', sweepReportSchema, '/api/host/sweep', {
      json: { dryRun: options.dryRun ?? false },
      signal,
      timeoutMs: SWEEP_TIMEOUT_MS,
    });
    if (out.json) out.value(report);
    else out.line(renderSweep(report, out.paint));
    if (report.leftovers.some(({ removed }) => removed === false)) throw new Exit(exitCodes.failure);
  });
}

export function renderSweep({ dryRun, leftovers }: SweepReport, paint: Paint): string {
  if (leftovers.length === 0) return paint.good('nothing is left over');
  const byKind = traceKinds.flatMap((kind) => leftovers.filter((leftover) => leftover.kind === kind));
  const table = renderTable(
    ['KIND', 'NAME', 'OUTCOME', 'WHY'],
    byKind.map((leftover) => [leftover.kind, leftover.name, outcome(leftover, paint), leftover.detail]),
  );
  const counts = traceKinds
    .map((kind) => [kind, leftovers.filter((leftover) => leftover.kind === kind).length] as const)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
  const stayed = leftovers.filter(({ removed }) => removed === false).length;
  const end = dryRun
    ? paint.warn('nothing was removed; without --dry-run it is')
    : stayed === 0
      ? paint.good('all removed')
      : paint.bad(`${stayed} could not be removed`);
  return `${table}\n${leftovers.length} left over (${counts}): ${end}`;
}

function outcome({ removed }: Leftover, paint: Paint): string {
  if (removed === null) return paint.warn('would go');
  return removed ? paint.good('removed') : paint.bad('stays');
}
