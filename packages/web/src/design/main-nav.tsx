import type { ReactElement } from 'react';
import { NavLink } from 'react-router';

const places = [
  ['/connect', 'Connect'],
  ['/runs', 'Runs'],
  ['/terminal', 'Terminal'],
  ['/vms', 'My VMs'],
] as const;

export function MainNav(): ReactElement {
  return (
    <nav className="main-nav" aria-label="Main">
      {places.map(([path, name]) => (
        <NavLink key={path} to={path}>
          {name}
        </NavLink>
      ))}
    </nav>
  );
}
