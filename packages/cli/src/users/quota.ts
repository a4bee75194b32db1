import { HearthError, userListSchema, userSchema, type QuotaRequest, type User } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { withApi, type CommonOptions } from '../context.ts';
import { renderUsers } from './list.ts';

/** none: no limit but the host’s. */
type Limit = number | 'none';

export interface QuotaOptions extends CommonOptions {
  vms?: number;
  mem?: Limit;
  cpus?: Limit;
  default?: boolean;
}

/** Shows a person's quota, after setting it where something is to be set. What isn't named stays as it is. */
export async function setQuota(name: string, options: QuotaOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const known = await findUser(api, name, signal);
    const wish = wishOf(known, options);
    const user =
      wish === null
        ? known
        : await api.call('PUT', userSchema, `/api/users/${known.id}/quota`, { json: wish, signal });
    if (out.json) out.value(user);
    else out.line(renderUsers([user]));
  });
}

/** null: nothing is to be set. */
function wishOf({ ownQuota, quota }: User, options: QuotaOptions): QuotaRequest | null {
  const { vms, mem, cpus } = options;
  if (options.default === true) return {};
  const named: QuotaRequest = {
    ...(vms === undefined ? {} : { vms }),
    ...(mem === undefined ? {} : { memMiB: limitOf(mem) }),
    ...(cpus === undefined ? {} : { cpus: limitOf(cpus) }),
  };
  if (Object.keys(named).length === 0) return null;
  return { ...(ownQuota ? quota : {}), ...named };
}

const limitOf = (limit: Limit): number | null => (limit === 'none' ? null : limit);

async function findUser(api: Api, name: string, signal: AbortSignal): Promise<User> {
  const { users } = await api.get(userListSchema, '/api/users', { signal });
  const found = users.find((user) => user.id === name) ?? users.find((user) => user.name === name);
  if (found === undefined)
    throw new HearthError('not_found', `there is no user "${name}"`, {
      hint: '`hearth user ls` lists them.',
    });
  return found;
}
