import { HearthError, type UserId } from '@hearth/contract';
import type { Identity } from '../domain/users/identity.ts';
import type { UserStore } from '../store/users.ts';

/** Whose thing a call is about: the caller's, or for an administrator another user's. Throws forbidden and bad_request. */
export async function actingFor(
  identity: Identity,
  wanted: UserId | undefined,
  users: Pick<UserStore, 'get'>,
): Promise<UserId> {
  if (wanted === undefined || wanted === identity.userId) return identity.userId;
  const issue = (message: string) => ({ issues: [{ path: 'userId', message }] });
  if (identity.role !== 'admin')
    throw new HearthError('forbidden', 'only an administrator acts for others', issue('is another user'));
  if ((await users.get(wanted)) === null)
    throw new HearthError('bad_request', `userId: there is no user ${wanted}`, issue('is not known'));
  return wanted;
}
