import { withApi, type CommonOptions } from '../context.ts';
import { encodeLine, splitLines } from '@hearth/contract';
import { parseVmId } from './follow.ts';

export async function showConsole(
  id: string,
  options: CommonOptions & { follow?: boolean; timestamps?: boolean },
): Promise<void> {
  const vmId = parseVmId(id);
  await withApi(options, async (api, { out, signal }) => {
    const { body } = await api.open('GET', `/api/vms/${vmId}/console`, {
      query: {
        follow: options.follow === true ? 'true' : undefined,
        timestamps: options.timestamps === true ? 'true' : undefined,
      },
      signal,
    });
    if (out.json) for await (const line of splitLines(body)) out.bytes(encodeLine({ line }));
    else for await (const chunk of body) out.bytes(chunk);
  });
}
