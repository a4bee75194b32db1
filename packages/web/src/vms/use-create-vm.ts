import { asHearthError, vmSchema, type HearthError, type Vm, type VmKind } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useNavigate } from 'react-router';
import { newIdempotencyKey } from '../api/idempotency-key.ts';
import { call } from '../api/request.ts';
import { emptyVmList, withVm, type VmList } from './vm-list.ts';

export interface CreatingVm {
  create: (kind: VmKind) => void;
  /** The kind that is being created. */
  busyWith: VmKind | null;
  error: HearthError | null;
}

/**
 * Creates VMs; where an answer got lost, the same wish asked again makes no second one. A browser VM's desktop is what is
 * wanted of it: its page opens at once, unless this one was left meanwhile.
 */
export function useCreateVm(): CreatingVm {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const wish = useRef<{ kind: VmKind; key: string } | null>(null);
  const creating = useMutation({
    mutationFn: (kind: VmKind) => {
      if (wish.current?.kind !== kind) wish.current = { kind, key: newIdempotencyKey() };
      return call('POST', vmSchema, '/api/vms', {
        body: { kind },
        headers: { 'idempotency-key': wish.current.key },
      });
    },
    onSuccess: (vm) => {
      wish.current = null;
      queries.setQueryData<Vm>(['vm', vm.id], vm);
      queries.setQueryData<VmList>(['vms'], (list = emptyVmList) => ({ ...list, vms: withVm(list.vms, vm) }));
    },
    onError: (error) => {
      // Only of a call without an answer it is not known whether it made a VM.
      if (asHearthError(error).code !== 'controller_unreachable') wish.current = null;
    },
  });
  const created = creating.data;
  useEffect(() => {
    if (created?.kind === 'browser') void navigate(`/vms/${created.id}/desktop`);
  }, [created, navigate]);
  return {
    create: (kind) => creating.mutate(kind),
    busyWith: creating.isPending ? creating.variables : null,
    error: creating.error === null ? null : asHearthError(creating.error),
  };
}
