import { asHearthError, vmSchema, type HearthError, type Vm } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { newIdempotencyKey } from '../api/idempotency-key.ts';
import { call } from '../api/request.ts';
import { emptyVmList, withVm, type VmList } from './vm-list.ts';

export type VmAction = 'hibernate' | 'resume' | 'resumeCold' | 'fork' | 'restart';

/** The server answers once memory was written or copied, on a disk that may be slow. */
const SAVED_MEMORY_TIMEOUT_MS = 5 * 60_000;

export interface ActingOnVm {
  act: (action: VmAction) => void;
  busyWith: VmAction | null;
  error: HearthError | null;
  /** The copy that a fork made. */
  fork: Vm | null;
}

/** Hibernates, resumes, restarts and forks a VM; where a fork's answer got lost, asking again makes no second copy. */
export function useVmAction(id: string): ActingOnVm {
  const queries = useQueryClient();
  const forkKey = useRef<string | null>(null);
  const acting = useMutation({
    mutationFn: (action: VmAction) => {
      const path = action === 'resumeCold' ? 'resume' : action;
      const cold = action === 'resumeCold';
      return call('POST', vmSchema, `/api/vms/${id}/${path}`, {
        ...(path === 'resume' ? { body: { cold } } : {}),
        ...(path === 'fork'
          ? { headers: { 'idempotency-key': (forkKey.current ??= newIdempotencyKey()) } }
          : {}),
        timeoutMs: SAVED_MEMORY_TIMEOUT_MS,
      });
    },
    onSuccess: (vm) => {
      forkKey.current = null;
      queries.setQueryData<Vm>(['vm', vm.id], (known) =>
        known !== undefined && known.version > vm.version ? known : vm,
      );
      queries.setQueryData<VmList>(['vms'], (list = emptyVmList) => ({ ...list, vms: withVm(list.vms, vm) }));
    },
    onError: (error) => {
      // Only of a call without an answer it is not known whether it made a copy.
      if (asHearthError(error).code !== 'controller_unreachable') forkKey.current = null;
    },
  });
  return {
    act: (action) => acting.mutate(action),
    busyWith: acting.isPending ? acting.variables : null,
    error: acting.error === null ? null : asHearthError(acting.error),
    fork: acting.variables === 'fork' ? (acting.data ?? null) : null,
  };
}
