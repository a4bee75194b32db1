import { HearthError } from '@hearth/contract';
import { useEffect, useRef, useState, type ReactElement } from 'react';
import { Link, Navigate, useLocation, useParams } from 'react-router';
import { BootView } from '../desktop/boot-view.tsx';
import { DesktopView } from '../desktop/desktop-view.tsx';
import { ticketOfFragment } from '../desktop/link-ticket.ts';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTitle } from '../design/use-title.ts';
import { useMe } from '../session/use-me.ts';
import { useVm } from '../vms/use-vm.ts';

/** The desktop of a VM, whatever state that is in. */
export function DesktopPage(): ReactElement {
  const { id = '' } = useParams();
  const { key } = useLocation();
  // Programs hand out this address for a sign-in, too: its page shows the desktop and all around it.
  if (id.startsWith('sgn-')) return <Navigate replace to={`/connect/${id}`} />;
  // Another VM, or the same by another way, is another view.
  return <OneDesktop key={`${id} ${key}`} vmId={id} />;
}

function OneDesktop({ vmId }: { vmId: string }): ReactElement {
  useTitle(`Desktop of ${vmId}`);
  const [linkTicket] = useState(() => ticketOfFragment(location.hash));
  useEffect(() => {
    // It is for one use: it needn't stand in the address bar and the history.
    if (linkTicket !== null) history.replaceState(history.state, '', location.pathname + location.search);
  }, [linkTicket]);
  return linkTicket === null ? (
    <SignedInDesktop vmId={vmId} />
  ) : (
    <DesktopView vmId={vmId} signedIn={null} linkTicket={linkTicket} />
  );
}

function SignedInDesktop({ vmId }: { vmId: string }): ReactElement {
  const me = useMe();
  const { vm, refused } = useVm(vmId);
  const watched = useRef(false);
  if (refused !== null) return <Nothing error={refused} />;
  if (vm === undefined)
    return (
      <PageFrame>
        <p className="muted" role="status">
          Looking for {vmId}…
        </p>
      </PageFrame>
    );
  if (vm.kind !== 'browser')
    return <Nothing error={new HearthError('not_a_desktop', `${vm.id} is of kind ${vm.kind}`)} />;
  if (vm.state === 'ready') {
    watched.current = true;
    return <DesktopView vmId={vm.id} signedIn={{ vm, me }} linkTicket={null} />;
  }
  return <BootView vm={vm} watched={watched.current} />;
}

function Nothing({ error }: { error: HearthError }): ReactElement {
  return (
    <PageFrame>
      <h1>There is no desktop here</h1>
      <Problem error={error} />
      <p>
        <Link to="/vms">My VMs</Link>
      </p>
    </PageFrame>
  );
}
