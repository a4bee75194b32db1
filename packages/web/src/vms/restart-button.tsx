import type { Vm } from '@hearth/contract';
import { useState, type ReactElement } from 'react';
import { ConfirmDialog } from '../design/confirm-dialog.tsx';
import { Icon } from '../design/icon.tsx';
import { isUnhealthy } from './state-words.ts';
import type { ActingOnVm } from './use-vm-action.ts';

/** The way out of most of what `why` finds: the disk of an unhealthy CLI VM boots anew. Nothing for any other. */
export function RestartButton(props: { vm: Vm; acting: ActingOnVm; slim?: boolean }): ReactElement | null {
  const { vm, acting, slim = false } = props;
  const [asking, setAsking] = useState(false);
  if (vm.kind !== 'cli' || !isUnhealthy(vm)) return null;
  const busy = acting.busyWith !== null;
  return (
    <>
      <button
        type="button"
        className={`button primary ${slim ? 'slim' : ''}`}
        disabled={busy}
        onClick={() => setAsking(true)}
      >
        <Icon name="refresh" /> {acting.busyWith === 'restart' ? 'Restarting…' : 'Restart'}
      </button>
      {asking ? (
        <ConfirmDialog
          title={`Restart ${vm.id}?`}
          action="Restart it"
          keep="Leave it"
          busy={busy}
          onConfirm={() => {
            setAsking(false);
            acting.act('restart');
          }}
          onClose={() => setAsking(false)}
        >
          <p>Its files stay as they are. Whatever runs in it ends, and its disk boots anew.</p>
        </ConfirmDialog>
      ) : null}
    </>
  );
}
