import { withApi, type CommonOptions } from '../context.ts';
import { Exit } from '../exit-codes.ts';
import { parseRunId } from './run-id.ts';
import { watchRun } from './watch-run.ts';

export async function showEvents(id: string, options: CommonOptions & { after?: number }): Promise<void> {
  const runId = parseRunId(id);
  await withApi(options, async (api, { out, signal }) => {
    throw new Exit(await watchRun(api, runId, { after: options.after ?? -1, signal, out }));
  });
}
