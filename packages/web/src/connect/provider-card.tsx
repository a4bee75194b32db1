import type { Credential, Provider, Signin, SignInMethod } from '@hearth/contract';
import { useState, type ReactElement } from 'react';
import { Link } from 'react-router';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { useTicking } from '../design/use-ticking.ts';
import { NewTerminalButton } from '../terminal/new-terminal-button.tsx';
import { ConnectDialog } from './connect-dialog.tsx';
import { credentialFacts } from './credential-words.ts';
import { DisconnectButton } from './disconnect-button.tsx';
import { useStartSignin } from './use-start-signin.ts';

const STEP_MS = 10_000;

export interface ProviderCardProps {
  provider: Provider;
  credential: Credential | undefined;
  /** The sign-in that is under way. */
  signin: Signin | undefined;
  /** The form for a key is open at first. */
  askKey: boolean;
}

/** One provider: whether it is connected, with what, and what can be done. */
export function ProviderCard({ provider, credential, signin, askKey }: ProviderCardProps): ReactElement {
  const { id, title, vendor } = provider;
  const nowMs = useTicking(STEP_MS);
  const [asking, setAsking] = useState<SignInMethod | 'any' | null>(askKey ? 'api_key' : null);
  const starting = useStartSignin();
  const connected = credential !== undefined;
  const refused = credential?.state === 'refused';
  return (
    <li className="card provider-card" aria-label={title}>
      <div className="card-body">
        <div className="row">
          <h2>{title}</h2>
          <span className="push">
            <Badge connected={connected} refused={refused} connecting={signin !== undefined} />
          </span>
        </div>
        <p className="muted small">{vendor}</p>
        {credential === undefined ? null : (
          <dl className="facts small">
            {credentialFacts(credential, nowMs).map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        )}
        {refused ? (
          <p className="notice bad small">
            {credential.kind === 'api_key'
              ? 'The provider refuses this key. Runs wait.'
              : 'The provider refuses this sign-in. Runs wait until you have signed in again.'}
          </p>
        ) : null}
        {starting.error === null ? null : <Problem error={starting.error} />}
        <div className="row card-actions">
          {signin !== undefined ? (
            <Link className="button slim primary" to={`/connect/${signin.sessionId}`}>
              Go on with the sign-in<span className="hidden-text"> to {title}</span>
            </Link>
          ) : refused ? (
            <button
              type="button"
              className="button slim primary"
              disabled={starting.busy}
              aria-label={credential.kind === 'api_key' ? `Replace ${title}` : `Sign in again to ${title}`}
              onClick={() => (credential.kind === 'api_key' ? setAsking('api_key') : starting.start(id))}
            >
              {credential.kind === 'api_key' ? 'Replace the key' : 'Sign in again'}
            </button>
          ) : connected ? (
            <>
              <Link className="button slim primary" to={`/runs?provider=${id}`} aria-label={`Run ${title}`}>
                <Icon name="run" /> Run
              </Link>
              <NewTerminalButton provider={provider} slim />
            </>
          ) : (
            <button
              type="button"
              className="button primary"
              aria-label={`Connect ${title}`}
              onClick={() => setAsking('any')}
            >
              <Icon name="plug" /> Connect
            </button>
          )}
          {connected && signin === undefined ? (
            <span className="row push">
              <button
                type="button"
                className="button slim quiet"
                aria-label={`Replace ${title}`}
                onClick={() => setAsking('any')}
              >
                Replace
              </button>
              <DisconnectButton provider={provider} credential={credential} />
            </span>
          ) : null}
        </div>
      </div>
      {asking === null ? null : (
        <ConnectDialog
          provider={provider}
          replaces={connected}
          {...(asking === 'any' ? {} : { method: asking })}
          onClose={() => setAsking(null)}
        />
      )}
    </li>
  );
}

function Badge(props: { connected: boolean; refused: boolean; connecting: boolean }): ReactElement {
  if (props.connecting) return <span className="badge starting">connecting</span>;
  if (props.refused) return <span className="badge failed">sign-in refused</span>;
  return props.connected ? (
    <span className="badge ready">connected</span>
  ) : (
    <span className="badge">not connected</span>
  );
}
