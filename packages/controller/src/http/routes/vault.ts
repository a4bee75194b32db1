import { vaultRotatedSchema } from '@hearth/contract';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import type { Services } from '../services.ts';

export function vaultRoutes(app: App, { vault }: Services): void {
  app.post(
    '/api/vault/rotate',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Change the master key of the vault',
        description:
          'Every secret is encrypted anew with a new key; the old one is forgotten then. A crash in between loses nothing. ' +
          'Where the key comes from HEARTH_MASTER_KEY, see the hint of the conflict.',
        tags: ['system'],
        response: {
          ...errors('unauthenticated', 'forbidden', 'conflict', 'vault_failed', 'disk_full'),
          200: answer('The new key’s id, and how many secrets are under it', vaultRotatedSchema),
        },
      },
    },
    async () => vault.rotate(),
  );
}
