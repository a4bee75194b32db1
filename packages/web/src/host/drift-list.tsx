import type { Drift, DriftReport } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { useTicking } from '../design/use-ticking.ts';
import { formatAge, formatSpan } from '../vms/age.ts';

const outcomeWords: Readonly<Record<Drift['outcome'], string>> = {
  repaired: 'repaired',
  named: 'needs you',
  failed: 'not repaired',
};
/** Shapes and colours of the states of VMs that mean as much. */
const outcomeBadges: Readonly<Record<Drift['outcome'], string>> = {
  repaired: 'ready',
  named: 'unhealthy',
  failed: 'failed',
};
const AGE_STEP_MS = 5000;

/** Where the machine disagreed with what is written down, in the last pass. */
export function DriftList({ report }: { report: DriftReport }): ReactElement {
  const { at, vms, tookMs, drifts, passes, repairs } = report;
  const nowMs = useTicking(AGE_STEP_MS);
  const age = formatAge(at, nowMs);
  return (
    <>
      {drifts.length === 0 ? (
        <p>
          <span className="badge ready">none</span> The machine is as it was written down.
        </p>
      ) : (
        <ul className="drifts">
          {drifts.map((drift) => (
            <li key={`${drift.subject} ${drift.name} ${drift.vmId ?? ''} ${drift.found}`} className="drift">
              <div className="row">
                <span className={`badge ${outcomeBadges[drift.outcome]}`}>{outcomeWords[drift.outcome]}</span>
                <strong>
                  {drift.subject} <code>{drift.name}</code>
                </strong>
                {drift.vmId === null ? null : (
                  <Link className="push small" to={`/vms/${drift.vmId}/why`}>
                    {drift.vmId}
                  </Link>
                )}
              </div>
              <p className="small">
                Expected {drift.expected}; found {drift.found}. <span className="muted">{drift.detail}</span>
              </p>
            </li>
          ))}
        </ul>
      )}
      <p className="muted small">
        {vms} {vms === 1 ? 'VM' : 'VMs'} compared {age === 'just now' ? age : `${age} ago`}, in{' '}
        {formatSpan(tookMs)}; {repairs} {repairs === 1 ? 'repair' : 'repairs'} in {passes}{' '}
        {passes === 1 ? 'pass' : 'passes'} since the daemon started
      </p>
    </>
  );
}
