import { vmSchema } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { bringUp, type WaitOption } from './bring-up.ts';
import { parseVmId } from './follow.ts';

/** Its processes end, its disk stays. */
export async function restartVm(id: string, options: CommonOptions & WaitOption): Promise<void> {
  const vmId = parseVmId(id);
  await withApi(options, async (api, context) => {
    const vm = await api.call('POST', vmSchema, `/api/vms/${vmId}/restart`, { signal: context.signal });
    await bringUp(api, vm, options, context);
  });
}
