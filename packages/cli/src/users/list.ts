import { userListSchema, type User } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { renderTable } from '../terminal/table.ts';

export async function listUsers(options: CommonOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const list = await api.get(userListSchema, '/api/users', { signal });
    if (out.json) out.value(list);
    else if (list.users.length === 0)
      out.note('There is nobody yet; make a person with: hearth token create --role user --user NAME');
    else out.line(renderUsers(list.users));
  });
}

export function renderUsers(users: readonly User[]): string {
  return renderTable(
    ['ID', 'NAME', 'VMS', 'MEMORY', 'CPUS', 'QUOTA'],
    users.map(({ id, name, quota, ownQuota, used }) => [
      id,
      name,
      share(used.vms, quota.vms),
      share(used.memMiB, quota.memMiB, ' MiB'),
      share(used.cpus, quota.cpus),
      ownQuota ? 'own' : 'default',
    ]),
  );
}

const share = (used: number, most: number | null, unit = ''): string =>
  most === null ? `${used}${unit}, no limit` : `${used} of ${most}${unit}`;
