import { asHearthError, toProblem, type VmId } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { readText } from '../api/client.ts';
import { withApi, type CommonOptions } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { renderProblem } from '../terminal/problem.ts';
import { followVm, parseVmId } from './follow.ts';

/** Time for a VM to end and for all of it to be swept. */
const REMOVE_TIMEOUT_MS = 120_000;

/** Deletes a VM and returns when nothing of it is left. */
export async function removeVm(api: Api, id: VmId, signal: AbortSignal): Promise<void> {
  const { body } = await api.open('DELETE', `/api/vms/${id}`, { signal });
  await readText(body);
  await followVm(api, id, ['deleted'], { signal, timeoutMs: REMOVE_TIMEOUT_MS });
}

/** One that fails does not keep the others; each outcome is said. */
export async function removeVms(ids: readonly string[], options: CommonOptions): Promise<void> {
  const vmIds = [...new Set(ids.map(parseVmId))];
  await withApi(options, async (api, { out, signal }) => {
    const outcomes = await Promise.all(
      vmIds.map(async (id) => {
        try {
          await removeVm(api, id, signal);
          if (!out.json) out.line(`${id} deleted`);
          return { id, deleted: true };
        } catch (error) {
          const problem = toProblem(asHearthError(error));
          out.note(renderProblem({ ...problem, detail: `${id}: ${problem.detail}` }, out.paint));
          return { id, deleted: false, problem };
        }
      }),
    );
    if (out.json) out.value({ vms: outcomes });
    if (outcomes.some(({ deleted }) => !deleted)) throw new Exit(exitCodes.failure);
  });
}
