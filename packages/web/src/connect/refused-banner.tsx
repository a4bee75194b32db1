import { providers, type Credential } from '@hearth/contract';
import type { ReactElement } from 'react';
import { useLocation } from 'react-router';
import { useStartSignin } from './use-start-signin.ts';
import { useCredentials } from './use-credentials.ts';

/** On every page but those that say so themselves: a sign-in that the provider refuses, and the one button that helps. */
export function RefusedBanner(): ReactElement | null {
  const { credentials = [] } = useCredentials();
  const { pathname } = useLocation();
  if (pathname.startsWith('/connect')) return null;
  return (
    <div role="status">
      {credentials
        .filter(({ state }) => state === 'refused')
        .map((credential) => (
          <Refused key={credential.id} credential={credential} />
        ))}
    </div>
  );
}

function Refused({ credential: { provider, kind } }: { credential: Credential }): ReactElement {
  const { title } = providers[provider];
  const starting = useStartSignin();
  return (
    <div className="refused-banner">
      <span>
        {kind === 'api_key'
          ? `${title} refuses your API key. Its runs wait until there is another.`
          : `${title} wants you to sign in again. Its runs wait until then, and go on by themselves.`}
        {starting.error === null ? null : <> {starting.error.message}</>}
      </span>
      <button
        type="button"
        className="button slim primary"
        disabled={starting.busy}
        onClick={() => starting.again(provider, kind)}
      >
        {kind === 'api_key' ? 'Replace the key' : starting.busy ? 'Starting…' : 'Sign in again'}
        <span className="hidden-text">
          {' '}
          {kind === 'api_key' ? 'of' : 'to'} {title}
        </span>
      </button>
    </div>
  );
}
