import { runListEventSchema, type HearthError } from '@hearth/contract';
import { skipToken, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { followEvents } from '../api/follow-events.ts';
import { emptyRunList, takeRunEvent, type RunList } from './run-list.ts';

export const RUNS_KEY = ['runs'];

/** My runs, kept up to date by the server; what was known before is shown at once. */
export function useRunList(enabled = true): RunList & { refused: HearthError | null } {
  const queries = useQueryClient();
  const [refused, setRefused] = useState<HearthError | null>(null);
  const { data = emptyRunList } = useQuery<RunList>({
    queryKey: RUNS_KEY,
    queryFn: skipToken,
    gcTime: Infinity,
  });
  useEffect(() => {
    if (!enabled) return;
    const leaving = new AbortController();
    void followEvents({
      path: '/api/runs/events',
      schema: runListEventSchema,
      onEvent: (event) => {
        queries.setQueryData<RunList>(RUNS_KEY, (list = emptyRunList) => takeRunEvent(list, event));
        return false;
      },
      onRefused: setRefused,
      signal: leaving.signal,
    });
    return () => leaving.abort();
  }, [enabled, queries]);
  return { ...data, refused };
}
