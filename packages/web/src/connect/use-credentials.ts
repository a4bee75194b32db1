import {
  asHearthError,
  credentialEventSchema,
  credentialListSchema,
  type Credential,
  type HearthError,
} from '@hearth/contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { followEvents } from '../api/follow-events.ts';
import { call } from '../api/request.ts';

/** How soon a page that nobody touches learns that a sign-in was refused. */
const REFRESH_MS = 30_000;
export const CREDENTIALS_KEY = ['credentials'];

/** What is connected, by everybody's metadata; undefined until that is known. */
export function useCredentials(): {
  credentials: readonly Credential[] | undefined;
  error: HearthError | null;
} {
  const { data, error } = useQuery({
    queryKey: CREDENTIALS_KEY,
    queryFn: ({ signal }) => call('GET', credentialListSchema, '/api/auth/credentials', { signal }),
    refetchInterval: REFRESH_MS,
    refetchOnWindowFocus: 'always',
  });
  return {
    credentials: data?.credentials.filter(({ state }) => state !== 'removed'),
    error: error === null ? null : asHearthError(error),
  };
}

/** Keeps them up to date at once, for a page that is about them; others look every so often, which takes no connection. */
export function useFollowCredentials(): void {
  const queries = useQueryClient();
  useEffect(() => {
    const leaving = new AbortController();
    void followEvents({
      path: '/api/auth/credentials/events',
      schema: credentialEventSchema,
      onEvent: (event) => {
        if (event.type === 'credential')
          queries.setQueryData<{ credentials: Credential[] }>(CREDENTIALS_KEY, (known) =>
            known === undefined
              ? known
              : { credentials: withCredential(known.credentials, event.credential) },
          );
        return false;
      },
      // The list that is asked for tells what is wrong.
      onRefused: () => undefined,
      signal: leaving.signal,
    });
    return () => leaving.abort();
  }, [queries]);
}

const withCredential = (list: readonly Credential[], credential: Credential): Credential[] => [
  ...list.filter(({ provider }) => provider !== credential.provider),
  ...(credential.state === 'removed' ? [] : [credential]),
];
