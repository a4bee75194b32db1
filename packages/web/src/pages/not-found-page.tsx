import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { PageFrame } from '../design/page-frame.tsx';
import { useTitle } from '../design/use-title.ts';

export function NotFoundPage(): ReactElement {
  useTitle('Nothing here');
  return (
    <PageFrame>
      <h1>There is nothing at this address</h1>
      <p>
        <Link to="/">To my VMs</Link>
      </p>
    </PageFrame>
  );
}
