import {
  asHearthError,
  openedTerminalSchema,
  type CreateTerminal,
  type HearthError,
  type ProviderId,
} from '@hearth/contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { z } from 'zod';
import { call, tell } from '../api/request.ts';

export type OpenedTerminal = z.infer<typeof openedTerminalSchema>;

/** Titles, viewers and ends of the other tabs. */
const REFRESH_MS = 15_000;
const KEY = ['terminals'];
const listSchema = z.object({ terminals: z.array(openedTerminalSchema) });
/** The CLI VM may have to be made or woken first. */
const OPEN_TIMEOUT_MS = 10 * 60_000;

/** Terminals of the person's own CLI VM; undefined until that is known. Looking doesn't wake the VM. */
export function useTerminals(): {
  terminals: readonly OpenedTerminal[] | undefined;
  error: HearthError | null;
} {
  const { data, error } = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => call('GET', listSchema, '/api/terminals', { signal }),
    refetchInterval: REFRESH_MS,
    refetchOnWindowFocus: 'always',
  });
  return { terminals: data?.terminals, error: error === null ? null : asHearthError(error) };
}

export interface OpeningTerminal {
  /** Opens a shell, or that tool; then its page. */
  open: (provider: ProviderId | null) => void;
  /** null: a shell; undefined: nothing is being opened. */
  busyWith: ProviderId | null | undefined;
  error: HearthError | null;
}

export function useOpenTerminal(): OpeningTerminal {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const opening = useMutation({
    mutationFn: (provider: ProviderId | null) => {
      const body: Partial<CreateTerminal> = provider === null ? {} : { provider };
      return call('POST', openedTerminalSchema, '/api/terminals', { body, timeoutMs: OPEN_TIMEOUT_MS });
    },
    onSuccess: (terminal) => {
      queries.setQueryData<z.infer<typeof listSchema>>(KEY, (list) => ({
        terminals: [...(list?.terminals ?? []).filter(({ id }) => id !== terminal.id), terminal],
      }));
      void navigate(terminalPath(terminal));
    },
  });
  return {
    open: (provider) => opening.mutate(provider),
    busyWith: opening.isPending ? opening.variables : undefined,
    error: opening.error === null ? null : asHearthError(opening.error),
  };
}

/** Ends a terminal and all that runs in it. */
export function useEndTerminal(onEnded: (id: string) => void): {
  end: (terminal: TerminalPlace) => void;
  error: HearthError | null;
} {
  const queries = useQueryClient();
  const ending = useMutation({
    mutationFn: ({ vmId, id }: TerminalPlace) => tell('DELETE', `/api/vms/${vmId}/terminals/${id}`),
    onSuccess: (_, { id }) => {
      queries.setQueryData<z.infer<typeof listSchema>>(KEY, (list) => ({
        terminals: (list?.terminals ?? []).filter((terminal) => terminal.id !== id),
      }));
      onEnded(id);
    },
  });
  return {
    end: (terminal) => ending.mutate(terminal),
    error: ending.error === null ? null : asHearthError(ending.error),
  };
}

export type TerminalPlace = Pick<OpenedTerminal, 'vmId' | 'id'>;
export const terminalPath = ({ vmId, id }: TerminalPlace): string => `/terminal/${vmId}/${id}`;
