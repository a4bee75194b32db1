import { signinListSchema, type Signin } from '@hearth/contract';
import { useQuery } from '@tanstack/react-query';
import { call } from '../api/request.ts';
import { isOver } from '../journey/use-signin.ts';

const REFRESH_MS = 15_000;

/** Sign-ins that are under way. */
export function useOpenSignins(): readonly Signin[] {
  const { data } = useQuery({
    queryKey: ['signins'],
    queryFn: ({ signal }) => call('GET', signinListSchema, '/api/auth/sessions', { signal }),
    refetchInterval: ({ state }) =>
      state.data?.sessions.some((signin) => !isOver(signin.state)) === true ? REFRESH_MS : false,
    refetchOnWindowFocus: 'always',
  });
  return data?.sessions.filter(({ state }) => !isOver(state)) ?? [];
}
