import { asHearthError, credentialListSchema, type Credential, type HearthError } from '@hearth/contract';
import { useQuery } from '@tanstack/react-query';
import { call } from '../api/request.ts';
import { useMe } from '../session/use-me.ts';

/** How soon a page that nobody touches learns that a sign-in was refused. */
const REFRESH_MS = 30_000;
export const CREDENTIALS_KEY = ['credentials'];

/** What is connected, by everybody's metadata; undefined until that is known. */
export function useCredentials(): {
  credentials: readonly Credential[] | undefined;
  error: HearthError | null;
} {
  const me = useMe();
  const { data, error } = useQuery({
    queryKey: CREDENTIALS_KEY,
    queryFn: ({ signal }) => call('GET', credentialListSchema, '/api/auth/credentials', { signal }),
    refetchInterval: REFRESH_MS,
    refetchOnWindowFocus: 'always',
  });
  return {
    // An administrator is told everybody's.
    credentials: data?.credentials.filter(
      ({ state, userId }) => state !== 'removed' && (me === undefined || me.userId === userId),
    ),
    error: error === null ? null : asHearthError(error),
  };
}
