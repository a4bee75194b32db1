import { asHearthError, whySchema, type HearthError, type Why } from '@hearth/contract';
import { useQuery } from '@tanstack/react-query';
import { call } from '../api/request.ts';

/** Every layer has a deadline of its own, and a slow host is given longer. */
const WHY_TIMEOUT_MS = 120_000;

export interface Diagnosing {
  why: Why | undefined;
  error: HearthError | null;
  looking: boolean;
  lookAgain: () => void;
}

/** Looks at a VM once, and again when it is asked to; `stored`: what was kept when it failed or stopped answering. */
export function useWhy(id: string, stored: boolean): Diagnosing {
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ['why', id, stored],
    queryFn: ({ signal }) =>
      call('GET', whySchema, `/api/vms/${encodeURIComponent(id)}/why${stored ? '?stored=true' : ''}`, {
        signal,
        timeoutMs: WHY_TIMEOUT_MS,
      }),
    // What was found an hour ago says nothing of now.
    gcTime: 0,
  });
  return {
    why: data,
    error: error === null ? null : asHearthError(error),
    looking: isFetching,
    lookAgain: () => void refetch(),
  };
}
