import { asHearthError, runListSchema, type RunId } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { call } from '../api/request.ts';
import { Problem } from '../design/problem.tsx';
import { emptyRunList, withRun, type RunList } from './run-list.ts';
import { RUNS_KEY } from './use-run-list.ts';

const LIMIT = 50;

/** Fetches the runs before the last that is shown, as long as there are any. */
export function OlderRuns({ before }: { before: RunId }): ReactElement | null {
  const queries = useQueryClient();
  const reading = useMutation({
    mutationFn: () => call('GET', runListSchema, `/api/runs?limit=${LIMIT}&before=${before}`),
    onSuccess: ({ runs }) => {
      queries.setQueryData<RunList>(RUNS_KEY, (list = emptyRunList) => ({
        ...list,
        runs: runs.reduce(withRun, list.runs),
      }));
    },
  });
  if (reading.data !== undefined && reading.data.runs.length < LIMIT) return null;
  return (
    <>
      {reading.error === null ? null : <Problem error={asHearthError(reading.error)} />}
      <div className="row">
        <button
          type="button"
          className="button slim"
          disabled={reading.isPending}
          onClick={() => reading.mutate()}
        >
          {reading.isPending ? 'Looking…' : 'Older runs'}
        </button>
      </div>
    </>
  );
}
