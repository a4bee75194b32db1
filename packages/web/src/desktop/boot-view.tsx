import type { Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { Icon } from '../design/icon.tsx';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { TimelinePicture } from '../timeline/timeline-picture.tsx';
import { FindingNotice } from '../vms/finding-notice.tsx';
import { isBooting, stateWords } from '../vms/state-words.ts';
import { useCreateVm } from '../vms/use-create-vm.ts';

/** In the desktop's place: the way of its boot; where that failed or the VM ended, why, and what to do next. */
export function BootView({ vm, watched }: { vm: Vm; watched: boolean }): ReactElement {
  return (
    <PageFrame>
      <div className="page-head">
        <h1>{headline(vm, watched)}</h1>
      </div>
      <FindingNotice vm={vm} />
      {isBooting(vm) ? (
        <p className="muted">
          The desktop appears here as soon as it is painted. You need not wait: your VM goes on starting when
          you leave.
        </p>
      ) : (
        <Next vm={vm} />
      )}
      <section className="panel boot-panel" aria-label="How it started">
        <TimelinePicture vm={vm} />
      </section>
      {isBooting(vm) ? (
        <p className="small">
          <Link to={`/vms/${vm.id}/console`}>What it writes to its console</Link> ·{' '}
          <Link to="/vms">My VMs</Link>
        </p>
      ) : null}
    </PageFrame>
  );
}

function headline({ state }: Vm, watched: boolean): string {
  if (state === 'requested' || state === 'starting') return 'Your desktop is starting';
  if (state === 'failed') return watched ? 'The VM ended while you watched' : 'The VM failed';
  return watched ? `The VM was deleted while you watched` : `This VM is ${stateWords[state]}`;
}

/** What one can do after an end. */
function Next({ vm }: { vm: Vm }): ReactElement {
  const creating = useCreateVm();
  return (
    <>
      <div className="row">
        <button
          type="button"
          className="button primary"
          disabled={creating.busyWith !== null}
          onClick={() => creating.create('browser')}
        >
          <Icon name="plus" /> {creating.busyWith === null ? 'New browser VM' : 'Creating…'}
        </button>
        <Link className="button" to={`/vms/${vm.id}/console`}>
          <Icon name="terminal" /> Read its console
        </Link>
        <Link className="button quiet" to="/vms">
          My VMs
        </Link>
      </div>
      {creating.error === null ? null : <Problem error={creating.error} />}
    </>
  );
}
