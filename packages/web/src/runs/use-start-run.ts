import { asHearthError, runSchema, type CreateRun, type HearthError } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { useNavigate } from 'react-router';
import { newIdempotencyKey } from '../api/idempotency-key.ts';
import { call } from '../api/request.ts';
import { emptyRunList, withRun, type RunList } from './run-list.ts';
import { RUNS_KEY } from './use-run-list.ts';

export interface StartingRun {
  /** Opens the run's page. */
  start: (order: CreateRun) => void;
  busy: boolean;
  error: HearthError | null;
}

/** Starts runs; where an answer got lost, the same order given again makes no second one. */
export function useStartRun(): StartingRun {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const wish = useRef<{ order: string; key: string } | null>(null);
  const starting = useMutation({
    mutationFn: (order: CreateRun) => {
      const text = JSON.stringify(order);
      if (wish.current?.order !== text) wish.current = { order: text, key: newIdempotencyKey() };
      return call('POST', runSchema, '/api/runs', {
        body: order,
        headers: { 'idempotency-key': wish.current.key },
      });
    },
    onSuccess: (run) => {
      wish.current = null;
      queries.setQueryData(['run', run.id], run);
      queries.setQueryData<RunList>(RUNS_KEY, (list = emptyRunList) => ({
        ...list,
        runs: withRun(list.runs, run),
      }));
      void navigate(`/runs/${run.id}`);
    },
    onError: (error) => {
      // Only of a call without an answer it is not known whether it began a run.
      if (asHearthError(error).code !== 'controller_unreachable') wish.current = null;
    },
  });
  return {
    start: (order) => starting.mutate(order),
    busy: starting.isPending,
    error: starting.error === null ? null : asHearthError(starting.error),
  };
}
