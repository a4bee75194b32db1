import { meSchema, type Me } from '@hearth/contract';
import { useQuery } from '@tanstack/react-query';
import { call } from '../api/request.ts';

/** Who is signed in; undefined until that is known. */
export function useMe(enabled = true): Me | undefined {
  return useQuery({
    queryKey: ['me'],
    queryFn: ({ signal }) => call('GET', meSchema, '/api/me', { signal }),
    staleTime: Infinity,
    enabled,
  }).data;
}
