import { HearthError, type Quota, type QuotaRequest, type User, type UserId } from '@hearth/contract';
import { quotaOver } from '../domain/users/quota.ts';
import type { QuotaStore, UserUsage } from '../store/quotas.ts';

/** People, what they may have and what they have. */
export interface UserAdministration {
  list(): Promise<User[]>;
  /** What is left out takes the default; {} takes all of it back. Throws not_found. */
  setQuota(id: UserId, own: QuotaRequest): Promise<User>;
}

export function createUserAdministration(quotas: QuotaStore, defaults: Quota): UserAdministration {
  const toUser = ({ id, name, own, used }: UserUsage): User => ({
    ...{ id, name, used },
    quota: quotaOver(defaults, own),
    ownQuota: own !== null,
  });
  const find = async (id: UserId): Promise<User> => {
    const found = (await quotas.list()).find((one) => one.id === id);
    if (found === undefined)
      throw new HearthError('not_found', `there is no user ${id}`, {
        hint: '`hearth user ls` lists the users.',
      });
    return toUser(found);
  };

  return {
    list: async () => (await quotas.list()).map(toUser),
    setQuota: async (id, own) => {
      await find(id);
      await quotas.set(id, Object.keys(own).length === 0 ? null : own);
      return find(id);
    },
  };
}
