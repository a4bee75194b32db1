import { errorTable } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { Problem, Trouble } from '../design/problem.tsx';
import type { ConnectionState } from './connection.ts';

export interface StatusOverlayProps {
  vmId: string;
  state: ConnectionState;
  fromLink: boolean;
  onReconnect: () => void;
}

/** What is happening while there is no picture, or only an old one. */
export function StatusOverlay({
  vmId,
  state,
  fromLink,
  onReconnect,
}: StatusOverlayProps): ReactElement | null {
  if (state.kind === 'connected') return null;
  if (state.kind === 'over')
    return (
      <div className="status-card">
        {fromLink ? (
          <Trouble
            title={errorTable[state.error.code].title}
            detail=""
            hint="A link to a desktop opens it once, and within 30 seconds."
          />
        ) : (
          <Problem error={state.error} />
        )}
        <div className="row">
          {fromLink ? (
            <span className="muted small">
              Ask for a new link, or{' '}
              <Link to={`/vms/${vmId}/desktop`}>open the desktop with your own sign-in</Link>.
            </span>
          ) : (
            <button type="button" className="button primary" onClick={onReconnect}>
              {state.error.code === 'viewer_replaced' ? 'Open it here' : 'Reconnect'}
            </button>
          )}
        </div>
        {fromLink ? null : (
          <p className="small">
            <Link to={`/vms/${vmId}/why`}>Why?</Link> · <Link to={`/vms/${vmId}/console`}>Console</Link> ·{' '}
            <Link to="/vms">My VMs</Link>
          </p>
        )}
      </div>
    );
  const { error } = state;
  return (
    <div className="status-card" role="status">
      <strong>{error === null ? 'Connecting to the desktop…' : 'Connecting again…'}</strong>
      {error === null ? null : (
        <span className="muted small">
          {errorTable[error.code].title}. What you see is the last picture; your place is kept.
        </span>
      )}
      {state.kind === 'waiting' ? (
        <span>
          <button type="button" className="button slim" onClick={onReconnect}>
            Reconnect now
          </button>
        </span>
      ) : null}
    </div>
  );
}
