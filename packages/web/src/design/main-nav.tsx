import type { ReactElement } from 'react';
import { NavLink } from 'react-router';
import { useMe } from '../session/use-me.ts';

const places = [
  ['/connect', 'Connect'],
  ['/runs', 'Runs'],
  ['/terminal', 'Terminal'],
  ['/vms', 'My VMs'],
] as const;
const placesOfAdministrators = [...places, ['/host', 'Host']] as const;

export function MainNav(): ReactElement {
  const isAdmin = useMe()?.role === 'admin';
  return (
    <nav className="main-nav" aria-label="Main">
      {(isAdmin ? placesOfAdministrators : places).map(([path, name]) => (
        <NavLink key={path} to={path}>
          {name}
        </NavLink>
      ))}
    </nav>
  );
}
