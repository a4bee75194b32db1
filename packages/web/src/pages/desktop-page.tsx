import type { ReactElement } from 'react';

export function DesktopPage(): ReactElement {
  return <p />;
}
