import type { Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { DesktopView } from '../desktop/desktop-view.tsx';
import { useMe } from '../session/use-me.ts';

/** The desktop of the sign-in's VM, as a part of its page. */
export function DesktopPart({ vm }: { vm: Vm }): ReactElement {
  const me = useMe();
  return <DesktopView vmId={vm.id} signedIn={{ vm, me }} linkTicket={null} embedded />;
}
