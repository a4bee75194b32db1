import type { ControlAction, ViewerId } from '@hearth/contract';
import type { ReactElement } from 'react';
import type { ControlSituation } from './control.ts';

/** Says who controls where this viewer doesn't, and who asks where it does. */
export function ControlBanner(props: {
  me: ViewerId;
  situation: ControlSituation;
  act: (action: ControlAction) => void;
}): ReactElement | null {
  const { me, situation, act } = props;
  const { controls, controller, mayTake, mayAsk, asked, askedBy } = situation;
  const asking = askedBy[0];
  if (controls && asking === undefined) return null;
  return (
    <div className="control-banner" role="status">
      {controls && asking !== undefined ? (
        <>
          <span>
            <strong>{asking.user}</strong> asks for the control
          </span>
          <button
            type="button"
            className="button slim primary"
            onClick={() => act({ action: 'give', viewerId: me, to: asking.id })}
          >
            Give
          </button>
          <button
            type="button"
            className="button slim"
            onClick={() => act({ action: 'decline', viewerId: me, to: asking.id })}
          >
            Decline
          </button>
        </>
      ) : (
        <>
          <span>
            You are watching; {controller === null ? 'nobody' : <strong>{controller.user}</strong>}{' '}
            {controller?.connected === false ? 'had the control and lost the connection' : 'controls'}
          </span>
          {mayTake ? (
            <button
              type="button"
              className="button slim primary"
              onClick={() => act({ action: 'take', viewerId: me })}
            >
              Take control
            </button>
          ) : mayAsk ? (
            <button
              type="button"
              className="button slim primary"
              onClick={() => act({ action: 'ask', viewerId: me })}
            >
              Ask for control
            </button>
          ) : asked ? (
            <span className="muted small">You asked; {controller?.user ?? 'somebody'} decides.</span>
          ) : null}
        </>
      )}
    </div>
  );
}
