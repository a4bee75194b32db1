import { asHearthError, vmSchema, type Vm } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactElement } from 'react';
import { call } from '../api/request.ts';
import { ConfirmDialog } from '../design/confirm-dialog.tsx';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { kindWords } from './state-words.ts';
import { emptyVmList, withVm, type VmList } from './vm-list.ts';

/** Deletes a VM, once that is confirmed. */
export function DeleteButton({ vm }: { vm: Vm }): ReactElement {
  const [asking, setAsking] = useState(false);
  const queries = useQueryClient();
  const deleting = useMutation({
    mutationFn: () => call('DELETE', vmSchema, `/api/vms/${vm.id}`),
    onSuccess: (now) => {
      setAsking(false);
      queries.setQueryData<Vm>(['vm', vm.id], now);
      queries.setQueryData<VmList>(['vms'], (list = emptyVmList) => ({
        ...list,
        vms: withVm(list.vms, now),
      }));
    },
  });
  const going = vm.state === 'deleting' || vm.state === 'deleted';
  return (
    <>
      <button
        type="button"
        className="button slim quiet"
        disabled={going || deleting.isPending}
        onClick={() => setAsking(true)}
        aria-label={`Delete ${vm.id}`}
        title="Delete"
      >
        <Icon name="trash" />
      </button>
      {asking ? (
        <ConfirmDialog
          title={`Delete ${vm.id}?`}
          action={deleting.isPending ? 'Deleting…' : 'Delete it'}
          busy={deleting.isPending}
          onConfirm={() => deleting.mutate()}
          onClose={() => {
            setAsking(false);
            deleting.reset();
          }}
        >
          <p>
            The {kindWords[vm.kind]} ends, and all that is on its disk is lost. Its console stays readable for
            a while.
          </p>
          {deleting.isError ? <Problem error={asHearthError(deleting.error)} /> : null}
        </ConfirmDialog>
      ) : null}
    </>
  );
}
