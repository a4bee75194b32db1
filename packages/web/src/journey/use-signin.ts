import {
  signinEventSchema,
  terminalSigninStates,
  type HearthError,
  type Signin,
  type SigninState,
} from '@hearth/contract';
import { skipToken, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { followEvents } from '../api/follow-events.ts';
import { CREDENTIALS_KEY } from '../connect/use-credentials.ts';

export const signinKey = (id: string): readonly [string, string] => ['signin', id];
export const isOver = (state: SigninState): boolean => terminalSigninStates.includes(state);

/** One sign-in, kept up to date by the server until its end. `refused`: there is none, or none for us. */
export function useSignin(id: string): { signin: Signin | undefined; refused: HearthError | null } {
  const queries = useQueryClient();
  const [refused, setRefused] = useState<HearthError | null>(null);
  const { data } = useQuery<Signin>({ queryKey: signinKey(id), queryFn: skipToken });
  useEffect(() => {
    const leaving = new AbortController();
    setRefused(null);
    void followEvents({
      path: `/api/auth/session/${encodeURIComponent(id)}/events`,
      schema: signinEventSchema,
      onEvent: ({ signin }) => {
        // F22: an end that was told is never taken back, in whatever order news arrive.
        queries.setQueryData<Signin>(signinKey(id), (known) =>
          known !== undefined && known.version > signin.version ? known : signin,
        );
        if (!isOver(signin.state)) return false;
        void queries.invalidateQueries({ queryKey: CREDENTIALS_KEY });
        return true;
      },
      onRefused: setRefused,
      signal: leaving.signal,
    });
    return () => leaving.abort();
  }, [id, queries]);
  return { signin: data, refused };
}
