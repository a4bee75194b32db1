import { providers } from '@hearth/contract';
import type { ReactElement } from 'react';
import { useSearchParams } from 'react-router';
import '../connect/connect.css';
import { ProviderCard } from '../connect/provider-card.tsx';
import { useCredentials, useFollowCredentials } from '../connect/use-credentials.ts';
import { useOpenSignins } from '../connect/use-signins.ts';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTitle } from '../design/use-title.ts';
import '../pages/vm-page.css';
import '../vms/card.css';

/** Every tool that there is, and what of it is connected. */
export function ConnectPage(): ReactElement {
  useTitle('Connect');
  const { credentials, error } = useCredentials();
  useFollowCredentials();
  const signins = useOpenSignins();
  const [query] = useSearchParams();
  return (
    <PageFrame>
      <div className="page-head">
        <h1>Connect</h1>
      </div>
      {credentials?.length === 0 ? (
        <p className="muted">
          Connect a tool once. From then on it runs in machines of your own, from this page, a terminal or
          your shell. You sign in with your own eyes and hands, on a desktop that is destroyed afterwards.
        </p>
      ) : null}
      {error === null ? null : <Problem error={error} />}
      {credentials === undefined ? (
        error === null ? (
          <p className="muted" role="status">
            Looking at what is connected…
          </p>
        ) : null
      ) : (
        <ul className="cards">
          {Object.values(providers).map((provider) => (
            <ProviderCard
              // A key that is asked for by the address opens its form anew.
              key={`${provider.id} ${String(query.get('key') === provider.id)}`}
              provider={provider}
              credential={credentials.find((credential) => credential.provider === provider.id)}
              signin={signins.find((signin) => signin.provider === provider.id)}
              askKey={query.get('key') === provider.id}
            />
          ))}
        </ul>
      )}
    </PageFrame>
  );
}
