import type { ReactElement } from 'react';
import { Navigate } from 'react-router';
import { useCredentials } from '../connect/use-credentials.ts';
import { PageFrame } from '../design/page-frame.tsx';

/** Where one begins: at Connect with nothing connected, else at one's VMs. */
export function StartPage(): ReactElement {
  const { credentials, error } = useCredentials();
  if (credentials === undefined && error === null)
    return (
      <PageFrame>
        <p className="muted" role="status">
          Loading…
        </p>
      </PageFrame>
    );
  return <Navigate replace to={credentials?.length === 0 ? '/connect' : '/vms'} />;
}
