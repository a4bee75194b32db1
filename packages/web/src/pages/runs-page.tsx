import { providerIds } from '@hearth/contract';
import type { ReactElement } from 'react';
import { useSearchParams } from 'react-router';
import { useCredentials } from '../connect/use-credentials.ts';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTicking } from '../design/use-ticking.ts';
import { useTitle } from '../design/use-title.ts';
import { OlderRuns } from '../runs/older-runs.tsx';
import { RunForm } from '../runs/run-form.tsx';
import { RunRow } from '../runs/run-row.tsx';
import '../runs/runs.css';
import { useRunList } from '../runs/use-run-list.ts';
import '../vms/card.css';

const STEP_MS = 10_000;
/** So many ended ones are told at first. */
const FIRST_RUNS = 20;

/** A form for the next run, and those that there are. */
export function RunsPage(): ReactElement {
  useTitle('Runs');
  const { credentials, error } = useCredentials();
  const { runs, listed, refused } = useRunList();
  const [query] = useSearchParams();
  const nowMs = useTicking(STEP_MS);
  const last = runs.at(-1);
  return (
    <PageFrame>
      <div className="page-head">
        <h1>Runs</h1>
      </div>
      {error === null ? null : <Problem error={error} />}
      {credentials === undefined ? null : (
        <RunForm
          credentials={credentials}
          runs={runs}
          provider={providerIds.find((id) => id === query.get('provider')) ?? null}
        />
      )}
      {refused === null ? null : <Problem error={refused} />}
      {runs.length > 0 ? (
        <section className="panel" aria-labelledby="runs-heading">
          <h2 id="runs-heading">Your runs</h2>
          <ul className="run-rows">
            {runs.map((run) => (
              <RunRow key={run.id} run={run} nowMs={nowMs} />
            ))}
          </ul>
          {last === undefined || runs.length < FIRST_RUNS ? null : <OlderRuns before={last.id} />}
        </section>
      ) : (
        <p className="muted" role="status">
          {listed ? 'You have run nothing yet.' : refused === null ? 'Looking for your runs…' : ''}
        </p>
      )}
    </PageFrame>
  );
}
