import {
  asHearthError,
  desktopEventSchema,
  desktopStateSchema,
  type ControlAction,
  type DesktopState,
  type Failure,
  type ViewerId,
} from '@hearth/contract';
import { useEffect, useRef, useState } from 'react';
import { followEvents } from '../api/follow-events.ts';
import { call } from '../api/request.ts';
import { sayProblem, type Say } from './toasts.tsx';

export interface SharedDesktop {
  desktop: DesktopState | null;
  act: (action: ControlAction) => void;
}

/** Who watches and who controls, kept up to date by the server; notices for this viewer are said. */
export function useDesktopState(
  vmId: string,
  me: ViewerId | null,
  enabled: boolean,
  say: Say,
): SharedDesktop {
  const [desktop, setDesktop] = useState<DesktopState | null>(null);
  const latest = useRef({ me, say });
  latest.current = { me, say };
  useEffect(() => {
    if (!enabled) return;
    const leaving = new AbortController();
    const notice = (failure: Failure): void =>
      latest.current.say({ text: `${failure.title}. ${failure.hint}`, bad: true });
    void followEvents({
      path: `/api/vms/${encodeURIComponent(vmId)}/desktop/events`,
      schema: desktopEventSchema,
      onEvent: (event) => {
        if (event.type === 'desktop') setDesktop(event.desktop);
        else if (event.viewerId === latest.current.me) notice(event.failure);
        return false;
      },
      // The connection itself tells what is wrong.
      onRefused: () => setDesktop(null),
      signal: leaving.signal,
    });
    return () => leaving.abort();
  }, [vmId, enabled]);
  return {
    desktop,
    act: (action) => {
      const path = `/api/vms/${encodeURIComponent(vmId)}/desktop/control`;
      call('POST', desktopStateSchema, path, { body: action }).then(setDesktop, (error: unknown) =>
        sayProblem(say, asHearthError(error)),
      );
    },
  };
}
