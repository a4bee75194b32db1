import type { ControlAction, DesktopState, ViewerId } from '@hearth/contract';
import type { ReactElement } from 'react';
import { useTicking } from '../design/use-ticking.ts';
import { formatAge } from '../vms/age.ts';
import type { ControlSituation } from './control.ts';

const AGE_STEP_MS = 10_000;

export interface PeoplePanelProps {
  desktop: DesktopState;
  me: ViewerId | null;
  situation: ControlSituation;
  act: (action: ControlAction) => void;
}

/** Who watches, who controls, and how that changes hands. */
export function PeoplePanel({ desktop, me, situation, act }: PeoplePanelProps): ReactElement {
  const nowMs = useTicking(AGE_STEP_MS);
  const asks = new Set<string>(desktop.requests);
  const giveable = new Set<string>(situation.mayGiveTo.map(({ id }) => id));
  return (
    <>
      <ul className="people">
        {desktop.viewers.map(({ id, user, connected, since, mode }) => (
          <li key={id}>
            <span>
              <strong>{id === me ? `${user} (you)` : user}</strong>
              <span className="muted small block">
                {connected ? `since ${formatAge(since, nowMs)}` : 'lost the connection'}
                {mode === 'view' ? ' · may only watch' : ''}
                {asks.has(id) ? ' · asks for the control' : ''}
              </span>
            </span>
            {id === desktop.controllerId ? <span className="badge ready">controls</span> : null}
            {me !== null && giveable.has(id) ? (
              <button
                type="button"
                className="button slim"
                onClick={() => act({ action: 'give', viewerId: me, to: id })}
              >
                Give control
              </button>
            ) : null}
          </li>
        ))}
      </ul>
      {me === null ? null : <OwnControl me={me} situation={situation} act={act} />}
      <p className="muted small">
        Everybody here sees the same screen. Keys, pointer, clipboard and the screen’s size are one viewer’s
        at a time.
      </p>
    </>
  );
}

function OwnControl({
  me,
  situation,
  act,
}: Pick<PeoplePanelProps, 'situation' | 'act'> & { me: ViewerId }): ReactElement {
  const { controls, mayTake, mayAsk, asked } = situation;
  return (
    <div className="row">
      {controls ? (
        <button
          type="button"
          className="button slim"
          onClick={() => act({ action: 'release', viewerId: me })}
        >
          Release the control
        </button>
      ) : null}
      {mayTake ? (
        <button
          type="button"
          className="button slim primary"
          onClick={() => act({ action: 'take', viewerId: me })}
        >
          Take the control
        </button>
      ) : null}
      {mayAsk ? (
        <button
          type="button"
          className="button slim primary"
          onClick={() => act({ action: 'ask', viewerId: me })}
        >
          Ask for the control
        </button>
      ) : null}
      {asked ? <span className="muted small">You asked for the control.</span> : null}
    </div>
  );
}
