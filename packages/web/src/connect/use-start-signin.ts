import {
  asHearthError,
  startedSigninSchema,
  type Credential,
  type HearthError,
  type LoginMethod,
  type ProviderId,
  type Signin,
} from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { call } from '../api/request.ts';
import { signinKey } from '../journey/use-signin.ts';

export interface StartingSignin {
  /** The provider's first method where none is named. Its page opens. */
  start: (provider: ProviderId, method?: LoginMethod) => void;
  /** Helps where a credential was refused: another sign-in, or the form for another key. */
  again: (provider: ProviderId, kind: Credential['kind']) => void;
  busy: boolean;
  error: HearthError | null;
}

/** Begins a sign-in and goes to its page; where one is under way for that provider, to that one's. */
export function useStartSignin(): StartingSignin {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const starting = useMutation({
    mutationFn: (body: { provider: ProviderId; method?: LoginMethod }) =>
      call('POST', startedSigninSchema, '/api/auth/start', { body }),
    onSuccess: ({ success: _success, ...signin }) => {
      queries.setQueryData<Signin>(signinKey(signin.sessionId), signin);
      void navigate(`/connect/${signin.sessionId}`);
    },
  });
  const start: StartingSignin['start'] = (provider, method) =>
    starting.mutate({ provider, ...(method === undefined ? {} : { method }) });
  return {
    start,
    again: (provider, kind) => {
      if (kind === 'sign_in') start(provider);
      else void navigate(`/connect?key=${provider}`);
    },
    busy: starting.isPending,
    error: starting.error === null ? null : asHearthError(starting.error),
  };
}
