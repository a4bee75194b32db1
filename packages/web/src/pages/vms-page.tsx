import type { VmKind } from '@hearth/contract';
import { useEffect, type ReactElement } from 'react';
import { Icon } from '../design/icon.tsx';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTitle } from '../design/use-title.ts';
import { VmCard } from '../vms/card.tsx';
import { useCreateVm, type CreatingVm } from '../vms/use-create-vm.ts';
import { useVmList } from '../vms/use-vm-list.ts';

/** My VMs. */
export function VmsPage(): ReactElement {
  useTitle('My VMs');
  const { vms, listed, refused } = useVmList();
  const creating = useCreateVm();
  useEffect(() => {
    // It shows a new desktop sooner when it is here already.
    void import('./desktop-page.tsx');
  }, []);
  const empty = listed && vms.length === 0;
  return (
    <PageFrame>
      <div className="page-head">
        <h1>My VMs</h1>
        {empty ? null : (
          <div className="row push">
            <NewVm kind="browser" creating={creating} primary />
            <NewVm kind="cli" creating={creating} />
          </div>
        )}
      </div>
      {creating.error === null ? null : <Problem error={creating.error} />}
      {refused === null ? null : <Problem error={refused} />}
      {vms.length > 0 ? (
        <ul className="cards">
          {vms.map((vm) => (
            <VmCard key={vm.id} vm={vm} />
          ))}
        </ul>
      ) : empty ? (
        <div className="empty">
          <h2>You have no VM yet</h2>
          <p className="muted">
            A browser VM is a desktop of your own, in this page: sign in to your tools there, with your own
            eyes and hands. A CLI VM is a machine without a screen, where those tools run.
          </p>
          <div className="row">
            <NewVm kind="browser" creating={creating} primary />
            <NewVm kind="cli" creating={creating} />
          </div>
        </div>
      ) : refused === null ? (
        <p className="muted" role="status">
          Looking for your VMs…
        </p>
      ) : null}
    </PageFrame>
  );
}

function NewVm(props: { kind: VmKind; creating: CreatingVm; primary?: boolean }): ReactElement {
  const { kind, creating, primary = false } = props;
  const busy = creating.busyWith === kind;
  return (
    <button
      type="button"
      className={`button ${primary ? 'primary' : ''}`}
      disabled={creating.busyWith !== null}
      onClick={() => creating.create(kind)}
    >
      <Icon name="plus" />
      {busy ? 'Creating…' : kind === 'browser' ? 'New browser VM' : 'New CLI VM'}
    </button>
  );
}
