import { asHearthError, signinSchema, type HearthError, type Signin } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { call } from '../api/request.ts';
import { signinKey } from './use-signin.ts';

type JourneyAction =
  | { name: 'open-url'; body: { url?: string } }
  | { name: 'paste-code'; body: { code: string } }
  | { name: 'cancel'; body?: undefined };

export interface Journey {
  act: (action: JourneyAction) => void;
  busyWith: JourneyAction['name'] | null;
  /** Of the last call. */
  error: { of: JourneyAction['name']; error: HearthError } | null;
  /** The last call of this name went well. */
  done: JourneyAction['name'] | null;
}

/** What the person does in a sign-in. */
export function useJourney(id: string): Journey {
  const queries = useQueryClient();
  const acting = useMutation({
    mutationFn: ({ name, body }: JourneyAction) =>
      call('POST', signinSchema, `/api/auth/session/${encodeURIComponent(id)}/${name}`, {
        ...(body === undefined ? {} : { body }),
      }),
    // A pasted code must not be remembered.
    gcTime: 0,
    onSuccess: (signin) => {
      queries.setQueryData<Signin>(signinKey(id), (known) =>
        known !== undefined && known.version > signin.version ? known : signin,
      );
    },
  });
  const name = acting.variables?.name ?? null;
  return {
    act: (action) => acting.mutate(action),
    busyWith: acting.isPending ? name : null,
    error: acting.error === null || name === null ? null : { of: name, error: asHearthError(acting.error) },
    done: acting.isSuccess ? name : null,
  };
}
