import { vaultRotatedSchema } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';

export async function rotateVault(options: CommonOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const rotated = await api.call('POST', vaultRotatedSchema, '/api/vault/rotate', { signal });
    if (out.json) out.value(rotated);
    else
      out.line(`master key ${rotated.keyId} is in use; ${rotated.reencrypted} secrets were encrypted anew`);
  });
}
