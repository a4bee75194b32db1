import type { Run, runListEventSchema } from '@hearth/contract';
import type { z } from 'zod';

export type RunListEvent = z.infer<typeof runListEventSchema>;

/** What is known of the runs, newest first; `listed`: the server told a whole list at least once. */
export interface RunList {
  runs: readonly Run[];
  listed: boolean;
}
export const emptyRunList: RunList = { runs: [], listed: false };

/** Puts a run's news in its place, unless something newer is there already. */
export function withRun(list: readonly Run[], run: Run): readonly Run[] {
  const known = list.find(({ id }) => id === run.id);
  if (known !== undefined && known.version > run.version) return list;
  return [...list.filter(({ id }) => id !== run.id), run].sort(
    (a, b) => b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id),
  );
}

export const takeRunEvent = (list: RunList, event: RunListEvent): RunList =>
  event.type === 'listed' ? { ...list, listed: true } : { ...list, runs: withRun(list.runs, event.run) };
