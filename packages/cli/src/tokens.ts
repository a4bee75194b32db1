import { createdTokenSchema, HearthError, tokenIdSchema, tokenListSchema } from '@hearth/contract';
import { readText } from './api/client.ts';
import { withApi, type CommonOptions } from './context.ts';
import { renderTable } from './terminal/table.ts';

export interface CreateTokenOptions extends CommonOptions {
  role: 'admin' | 'user';
  user?: string;
  expiresInDays?: number;
}

export async function createToken(options: CreateTokenOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const { role, user, expiresInDays } = options;
    const created = await api.call('POST', createdTokenSchema, '/api/tokens', {
      json: { role, user, expiresInDays },
      signal,
    });
    if (out.json) {
      out.value(created);
      return;
    }
    out.note(`${created.id} for ${created.user} (${created.role}); the token is shown this once:`);
    out.line(created.token);
  });
}

export async function listTokens(options: CommonOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const list = await api.get(tokenListSchema, '/api/tokens', { signal });
    if (out.json) {
      out.value(list);
      return;
    }
    out.line(
      renderTable(
        ['ID', 'USER', 'ROLE', 'CREATED', 'EXPIRES', 'LAST USED'],
        list.tokens.map((token) => [
          token.id,
          token.user,
          token.role,
          token.createdAt,
          token.expiresAt ?? 'never',
          token.lastUsedAt ?? 'never',
        ]),
      ),
    );
  });
}

export async function revokeToken(id: string, options: CommonOptions): Promise<void> {
  const parsed = tokenIdSchema.safeParse(id);
  if (!parsed.success)
    throw new HearthError(
      'bad_request',
      `"${id}" is not the id of a token: expected tok- and 12 characters`,
      {
        hint: '`hearth token ls` lists the ids.',
      },
    );
  await withApi(options, async (api, { out, signal }) => {
    const { body } = await api.open('DELETE', `/api/tokens/${parsed.data}`, { signal });
    await readText(body);
    if (out.json) out.value({ id: parsed.data, revoked: true });
    else out.line(`${parsed.data} revoked`);
  });
}
