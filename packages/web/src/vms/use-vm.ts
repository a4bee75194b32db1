import { vmEventSchema, type HearthError, type Vm } from '@hearth/contract';
import { skipToken, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { followEvents } from '../api/follow-events.ts';
import { emptyVmList, withVm, type VmList } from './vm-list.ts';

/** One VM, kept up to date by the server. `refused`: there is none, or none for us. */
export function useVm(id: string, enabled = true): { vm: Vm | undefined; refused: HearthError | null } {
  const queries = useQueryClient();
  const [refused, setRefused] = useState<HearthError | null>(null);
  const { data } = useQuery<Vm>({
    queryKey: ['vm', id],
    queryFn: skipToken,
    initialData: () => queries.getQueryData<VmList>(['vms'])?.vms.find((vm) => vm.id === id),
  });
  useEffect(() => {
    if (!enabled) return;
    const leaving = new AbortController();
    setRefused(null);
    void followEvents({
      path: `/api/vms/${encodeURIComponent(id)}/events`,
      schema: vmEventSchema,
      onEvent: ({ vm }) => {
        queries.setQueryData<Vm>(['vm', id], vm);
        queries.setQueryData<VmList>(['vms'], (list = emptyVmList) => ({
          ...list,
          vms: withVm(list.vms, vm),
        }));
        return vm.state === 'deleted';
      },
      onRefused: setRefused,
      signal: leaving.signal,
    });
    return () => leaving.abort();
  }, [id, enabled, queries]);
  return { vm: data, refused };
}
