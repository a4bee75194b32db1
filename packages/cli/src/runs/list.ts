import { runListSchema, type Run } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { formatAge, formatDuration } from '../terminal/duration.ts';
import type { Paint } from '../terminal/output.ts';
import { renderTable } from '../terminal/table.ts';

const PROMPT_CHARACTERS = 50;

export async function listRuns(options: CommonOptions & { limit?: number }): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const query = options.limit === undefined ? {} : { limit: String(options.limit) };
    const list = await api.get(runListSchema, '/api/runs', { query, signal });
    if (out.json) out.value(list);
    else if (list.runs.length === 0)
      out.note('There is no run; make one with: hearth run PROVIDER "your prompt"');
    else out.line(renderRuns(list.runs, Date.now(), out.paint));
  });
}

function renderRuns(runs: readonly Run[], nowMs: number, paint: Paint): string {
  return renderTable(
    ['ID', 'PROVIDER', 'STATE', 'AGE', 'TOOK', 'PROMPT', 'NOTE'],
    runs.map((run) => [
      run.id,
      run.provider,
      paintRunState(run.state, paint),
      formatAge(run.createdAt, nowMs),
      tookInWords(run),
      oneLine(run.prompt),
      run.failure?.title ?? (run.waitingFor === null ? '' : `waits for ${run.waitingFor}`),
    ]),
  );
}

export const tookInWords = ({ startedAt, endedAt }: Run): string =>
  startedAt === null || endedAt === null ? '-' : formatDuration(Date.parse(endedAt) - Date.parse(startedAt));

function oneLine(prompt: string): string {
  const text = prompt.replace(/\s+/g, ' ').trim();
  return text.length > PROMPT_CHARACTERS ? `${text.slice(0, PROMPT_CHARACTERS - 1)}…` : text;
}

export function paintRunState(state: Run['state'], paint: Paint): string {
  if (state === 'succeeded') return paint.good(state);
  if (state === 'failed' || state === 'timed_out') return paint.bad(state);
  return state === 'cancelled' ? paint.dim(state) : paint.warn(state);
}
