import { vmListEventSchema, type HearthError } from '@hearth/contract';
import { skipToken, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { followEvents } from '../api/follow-events.ts';
import { emptyVmList, makeVmListFollower, type VmList } from './vm-list.ts';

const KEY = ['vms'];

/** My VMs, kept up to date by the server; what was known before is shown at once. */
export function useVmList(): VmList & { refused: HearthError | null } {
  const queries = useQueryClient();
  const [refused, setRefused] = useState<HearthError | null>(null);
  const { data = emptyVmList } = useQuery<VmList>({ queryKey: KEY, queryFn: skipToken, gcTime: Infinity });
  useEffect(() => {
    const leaving = new AbortController();
    const follower = makeVmListFollower((change) =>
      queries.setQueryData<VmList>(KEY, (list = emptyVmList) => change(list)),
    );
    void followEvents({
      path: '/api/vms/events',
      schema: vmListEventSchema,
      onOpen: follower.opened,
      onEvent: (event) => {
        follower.take(event);
        return false;
      },
      onRefused: setRefused,
      signal: leaving.signal,
    });
    return () => leaving.abort();
  }, [queries]);
  return { ...data, refused };
}
