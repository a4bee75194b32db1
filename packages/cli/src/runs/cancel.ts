import { runSchema } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { parseRunId } from './run-id.ts';

export async function cancelRun(id: string, options: CommonOptions): Promise<void> {
  const runId = parseRunId(id);
  await withApi(options, async (api, { out, signal }) => {
    const run = await api.call('POST', runSchema, `/api/runs/${runId}/cancel`, { signal });
    if (out.json) out.value(run);
    else out.line(run.state === 'cancelled' ? `${run.id} cancelled` : `${run.id} is being cancelled`);
  });
}
