import type { Vm } from '@hearth/contract';
import { useState, type ReactElement } from 'react';
import { ConfirmDialog } from '../design/confirm-dialog.tsx';
import { Icon } from '../design/icon.tsx';
import type { ActingOnVm } from './use-vm-action.ts';

export interface SleepButtonsProps {
  vm: Vm;
  acting: ActingOnVm;
  slim?: boolean;
}

/** Puts a CLI VM to sleep, wakes it, and copies it; nothing where none of that can be done. */
export function SleepButtons({ vm, acting, slim = false }: SleepButtonsProps): ReactElement | null {
  if (vm.kind !== 'cli' || (vm.state !== 'ready' && vm.state !== 'hibernated')) return null;
  const { act, busyWith } = acting;
  const size = slim ? 'slim' : '';
  const busy = busyWith !== null;
  return (
    <>
      {vm.state === 'ready' ? (
        <button type="button" className={`button ${size}`} disabled={busy} onClick={() => act('hibernate')}>
          <Icon name="moon" /> {busyWith === 'hibernate' ? 'Hibernating…' : 'Hibernate'}
        </button>
      ) : (
        <>
          <button
            type="button"
            className={`button primary ${size}`}
            disabled={busy}
            onClick={() => act('resume')}
          >
            <Icon name="sun" />{' '}
            {busyWith === 'resume' ? 'Resuming…' : vm.failure === null ? 'Resume' : 'Try again'}
          </button>
          {vm.failure === null ? null : <BootAfresh acting={acting} size={size} />}
        </>
      )}
      <button
        type="button"
        className={`button ${size}`}
        disabled={busy}
        onClick={() => act('fork')}
        title="Make a copy with its memory, disk and all that runs in it"
      >
        <Icon name="copy" /> {busyWith === 'fork' ? 'Forking…' : 'Fork'}
      </button>
    </>
  );
}

/** The way out where the saved memory is damaged. */
function BootAfresh({ acting, size }: { acting: ActingOnVm; size: string }): ReactElement {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button
        type="button"
        className={`button ${size}`}
        disabled={acting.busyWith !== null}
        onClick={() => setAsking(true)}
      >
        <Icon name="refresh" /> Boot its disk afresh
      </button>
      {asking ? (
        <ConfirmDialog
          title="Boot its disk afresh?"
          action="Boot it"
          keep="Keep it as it is"
          busy={acting.busyWith !== null}
          onConfirm={() => {
            setAsking(false);
            acting.act('resumeCold');
          }}
          onClose={() => setAsking(false)}
        >
          <p>
            Its files stay as they are. The saved memory is given up, and with it whatever ran when it was
            hibernated.
          </p>
        </ConfirmDialog>
      ) : null}
    </>
  );
}
