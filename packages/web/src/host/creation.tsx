import { breakerSchema, hintFor, type Breaker, asHearthError } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { call } from '../api/request.ts';
import { formatMoment } from '../design/moment.ts';
import { Hint, Problem } from '../design/problem.tsx';

/** Whether VMs are created; while not, why not, and what happens next. */
export function Creation({ breaker }: { breaker: Breaker }): ReactElement {
  const { state, failures, successes, openedAt, reason } = breaker;
  const counts = `${failures} of the last ${failures + successes} starts failed`;
  if (state === 'closed')
    return (
      <p>
        <span className="badge ready">VMs are created</span> <span className="muted small">{counts}</span>
      </p>
    );
  const cause = reason === null ? null : (reason.finding ?? reason.failure);
  return (
    <>
      <p>
        <span className="badge failed">creation is stopped</span>{' '}
        <span className="muted small">
          {openedAt === null ? '' : `since ${formatMoment(openedAt)} · `}
          {counts}
        </span>
      </p>
      {reason === null || cause === null ? null : (
        <div className="notice bad">
          <strong>{cause.title}</strong>
          <span>{cause.detail}</span>
          <span className="muted small">
            <Hint text={hintFor(cause.hint, reason.vmId)} />
          </span>
          <span className="small">
            <Link to={`/vms/${reason.vmId}/why`}>Why? All layers of {reason.vmId}</Link>
          </span>
        </div>
      )}
      <p className="muted small">{nextWords(breaker)}</p>
      <CloseBreaker />
    </>
  );
}

function nextWords({ state, probeAt, probeVmId }: Breaker): string {
  if (state === 'half_open')
    return `${probeVmId ?? 'One VM'} is tried now: if it comes up, creation goes on.`;
  return `One VM is tried ${probeAt === null ? 'soon' : `from ${formatMoment(probeAt)} on`}: if it comes up, creation goes on.`;
}

function CloseBreaker(): ReactElement {
  const queries = useQueryClient();
  const closing = useMutation({
    mutationFn: () => call('DELETE', breakerSchema, '/api/host/breaker'),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['host'] }),
  });
  return (
    <>
      {closing.error === null ? null : <Problem error={asHearthError(closing.error)} />}
      <div className="row">
        <button
          type="button"
          className="button"
          disabled={closing.isPending}
          onClick={() => closing.mutate()}
        >
          {closing.isPending ? 'Letting them…' : 'Let VMs be created again'}
        </button>
      </div>
    </>
  );
}
