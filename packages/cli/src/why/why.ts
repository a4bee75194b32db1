import { whySchema } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { parseVmId } from '../vm/follow.ts';
import { renderWhy } from './render-why.ts';

/** Every layer is looked at, each with a deadline of its own; a slow host needs longer. */
const WHY_TIMEOUT_MS = 120_000;

/** Exits with 1 where the VM is broken. */
export async function explainVm(id: string, options: CommonOptions & { stored?: boolean }): Promise<void> {
  const vmId = parseVmId(id);
  await withApi(options, async (api, { environment, out, signal }) => {
    const why = await api.get(whySchema, `/api/vms/${vmId}/why`, {
      query: { stored: options.stored === true ? 'true' : undefined },
      signal,
      timeoutMs: WHY_TIMEOUT_MS,
    });
    const { paint, columns } = out;
    if (out.json) out.value(why);
    else out.line(renderWhy(why, { paint, columns, utf8: environment.utf8, nowMs: Date.now() }));
    if (why.verdict === 'broken') throw new Exit(exitCodes.failure);
  });
}
