import { providers, type Credential } from '@hearth/contract';
import type { ReactElement } from 'react';
import { useStartSignin } from './use-start-signin.ts';
import { useCredentials } from './use-credentials.ts';

/** On every page: a sign-in that the provider refuses, and the one button that helps. */
export function RefusedBanner(): ReactElement {
  const { credentials = [] } = useCredentials();
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
