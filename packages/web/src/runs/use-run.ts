import { runEventSchema, runSchema, type HearthError, type Run } from '@hearth/contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { asHearthError } from '@hearth/contract';
import { followEvents } from '../api/follow-events.ts';
import { call } from '../api/request.ts';
import { CREDENTIALS_KEY } from '../connect/use-credentials.ts';
import { emptyRunList, withRun, type RunList } from './run-list.ts';
import { makeRunLog, type RunLogView } from './run-log.ts';
import { isRunOver } from './run-words.ts';
import { RUNS_KEY, useRunList } from './use-run-list.ts';

/** One run, live until its end. */
export function useRun(id: string): { run: Run | undefined; error: HearthError | null } {
  const queries = useQueryClient();
  const read = useQuery({
    queryKey: ['run', id],
    queryFn: async ({ signal }) => {
      const run = await call('GET', runSchema, `/api/runs/${encodeURIComponent(id)}`, { signal });
      queries.setQueryData<RunList>(RUNS_KEY, (list = emptyRunList) => ({
        ...list,
        runs: withRun(list.runs, run),
      }));
      return run;
    },
  });
  const { runs } = useRunList(read.data !== undefined && !isRunOver(read.data));
  const listed = runs.find((run) => run.id === id);
  const run = listed !== undefined && listed.version >= (read.data?.version ?? 0) ? listed : read.data;
  return { run, error: read.error === null ? null : asHearthError(read.error) };
}

/** What a run says, from its first event on; after a break it goes on where it was. */
export function useRunLog(id: string): { log: RunLogView; refused: HearthError | null } {
  const queries = useQueryClient();
  const [log, setLog] = useState<RunLogView>(() => makeRunLog().view());
  const [refused, setRefused] = useState<HearthError | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    const folding = makeRunLog();
    let frame = 0;
    const show = (): void => {
      cancelAnimationFrame(frame);
      frame = 0;
      if (!leaving.signal.aborted) setLog(folding.view());
    };
    show();
    void followEvents({
      path: () => {
        const { lastSeq } = folding.view();
        return `/api/runs/${encodeURIComponent(id)}/events${lastSeq === null ? '' : `?after=${lastSeq}`}`;
      },
      schema: runEventSchema,
      onEvent: (event) => {
        folding.take(event);
        if (event.type === 'needs_login') void queries.invalidateQueries({ queryKey: CREDENTIALS_KEY });
        // Many come in a moment: one picture a frame is enough. A window that isn't looked at has no frames.
        if (folding.view().ended) {
          show();
          void queries.invalidateQueries({ queryKey: ['run', id] });
          return true;
        }
        if (frame === 0) frame = requestAnimationFrame(show);
        return false;
      },
      onRefused: setRefused,
      signal: leaving.signal,
    });
    return () => {
      leaving.abort();
      cancelAnimationFrame(frame);
    };
  }, [id, queries]);
  return { log, refused };
}
