import { runChangesSchema, runSchema, type Run } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import type { Paint } from '../terminal/output.ts';
import { renderProblem } from '../terminal/problem.ts';
import { paintRunState, tookInWords } from './list.ts';
import { parseRunId } from './run-id.ts';

export async function showRun(id: string, options: CommonOptions): Promise<void> {
  const runId = parseRunId(id);
  await withApi(options, async (api, { out, signal }) => {
    const run = await api.get(runSchema, `/api/runs/${runId}`, { signal });
    const { changes, truncated } = await api.get(runChangesSchema, `/api/runs/${runId}/changes`, { signal });
    if (out.json) {
      out.value({ ...run, changes, truncated });
      return;
    }
    out.line(renderRun(run, out.paint));
    if (changes.length > 0) out.line();
    for (const { path, change, diff } of changes)
      out.line(
        diff === null ? out.paint.dim(`${change} ${path} (binary or large)`) : paintDiff(diff, out.paint),
      );
    if (truncated) out.note('The folder held more than could be compared.');
  });
}

function renderRun(run: Run, paint: Paint): string {
  const rows: [string, string | null][] = [
    ['tool', run.provider],
    ['state', paintRunState(run.state, paint)],
    ['waits for', run.waitingFor],
    ['prompt', run.prompt.replace(/\s+/g, ' ')],
    ['session', run.sessionId],
    ['model', run.model],
    ['folder', run.cwd],
    ['VM', run.vmId],
    ['exit code', run.exitCode === null ? null : String(run.exitCode)],
    ['created', run.createdAt],
    ['took', tookInWords(run)],
    ['tokens', run.usage === null ? null : `${run.usage.inputTokens} in, ${run.usage.outputTokens} out`],
    ['events', String(run.events)],
  ];
  return [
    paint.bold(run.id),
    ...rows.flatMap(([name, value]) => (value === null ? [] : [`  ${paint.dim(name.padEnd(10))} ${value}`])),
    ...(run.failure === null ? [] : [renderProblem(run.failure, paint)]),
  ].join('\n');
}

const paintDiff = (diff: string, paint: Paint): string =>
  diff
    .trimEnd()
    .split('\n')
    .map((line) => {
      if (line.startsWith('+++') || line.startsWith('---')) return paint.bold(line);
      if (line.startsWith('@@')) return paint.accent(line);
      if (line.startsWith('+')) return paint.good(line);
      return line.startsWith('-') ? paint.bad(line) : line;
    })
    .join('\n');
