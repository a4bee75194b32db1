import type { Vm } from '@hearth/contract';
import { useState, type ReactElement } from 'react';
import { ConfirmDialog } from '../design/confirm-dialog.tsx';
import { Icon } from '../design/icon.tsx';
import type { ActingOnVm } from './use-vm-action.ts';

interface Props {
  vm: Vm;
  acting: ActingOnVm;
  /** In a card, where there is little room. */
  slim?: boolean;
}

const canSleep = ({ kind, state }: Vm): boolean =>
  kind === 'cli' && (state === 'ready' || state === 'hibernated');

/** Puts a CLI VM to sleep and wakes it; nothing where neither can be done. */
export function SleepButtons({ vm, acting, slim = false }: Props): ReactElement | null {
  if (!canSleep(vm)) return null;
  const { act, busyWith } = acting;
  const size = slim ? 'slim' : '';
  const busy = busyWith !== null;
  if (vm.state === 'ready')
    return (
      <button type="button" className={`button ${size}`} disabled={busy} onClick={() => act('hibernate')}>
        <Icon name="moon" /> {busyWith === 'hibernate' ? 'Hibernating…' : 'Hibernate'}
      </button>
    );
  return (
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
  );
}

/** Copies a CLI VM as it is, awake or asleep. */
export function ForkButton({ vm, acting, slim = false }: Props): ReactElement | null {
  if (!canSleep(vm)) return null;
  const { act, busyWith } = acting;
  return (
    <button
      type="button"
      className={`button ${slim ? 'slim quiet' : ''}`}
      disabled={busyWith !== null}
      onClick={() => act('fork')}
      aria-label={`Fork ${vm.id}`}
      title="Fork: make a copy with its memory, its disk and all that runs in it"
    >
      <Icon name="fork" />
      {slim ? null : busyWith === 'fork' ? 'Forking…' : 'Fork'}
    </button>
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
