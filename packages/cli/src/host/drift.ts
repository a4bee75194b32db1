import { driftReportSchema, type Drift, type DriftReport } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { formatAge, formatDuration } from '../terminal/duration.ts';
import type { Paint } from '../terminal/output.ts';
import { renderTable } from '../terminal/table.ts';

/** A pass with repairs on a host with many VMs. */
const PASS_TIMEOUT_MS = 120_000;

/** Exits with 1 where something could not be repaired. */
export async function showDrift(options: CommonOptions & { now?: boolean }): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const report = await api.get(driftReportSchema, '/api/host/drift', {
      query: { now: options.now === true ? 'true' : undefined },
      signal,
      timeoutMs: PASS_TIMEOUT_MS,
    });
    if (out.json) out.value(report);
    else out.line(renderDrift(report, Date.now(), out.paint));
    if (report.drifts.some(isLeft)) throw new Exit(exitCodes.failure);
  });
}

const isLeft = ({ outcome }: Drift): boolean => outcome !== 'repaired';

export function renderDrift(
  { at, vms, tookMs, drifts, passes, repairs }: DriftReport,
  nowMs: number,
  paint: Paint,
): string {
  const looked = `${vms} ${vms === 1 ? 'VM' : 'VMs'} compared ${formatAge(at, nowMs)} ago in ${formatDuration(tookMs)}; ${repairs} ${repairs === 1 ? 'repair' : 'repairs'} in ${passes} ${passes === 1 ? 'pass' : 'passes'} since the daemon started`;
  if (drifts.length === 0) return `${paint.good('all is as it was written down')} · ${looked}`;
  const table = renderTable(
    ['WHAT', 'NAME', 'VM', 'OUTCOME', 'EXPECTED', 'FOUND', 'DETAIL'],
    drifts.map((drift) => [
      drift.subject,
      drift.name,
      drift.vmId ?? '-',
      paintOutcome(drift.outcome, paint),
      drift.expected,
      drift.found,
      drift.detail,
    ]),
  );
  const left = drifts.filter(isLeft).length;
  const said =
    left === 0
      ? paint.good(`${drifts.length} repaired`)
      : paint.bad(`${left} of ${drifts.length} not repaired`);
  return `${table}\n${said} · ${looked}`;
}

function paintOutcome(outcome: Drift['outcome'], paint: Paint): string {
  if (outcome === 'repaired') return paint.good(outcome);
  return outcome === 'failed' ? paint.bad(outcome) : paint.warn(outcome);
}
