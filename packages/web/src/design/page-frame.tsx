import { useSyncExternalStore, type ReactElement, type ReactNode } from 'react';
import { Link } from 'react-router';
import { isReachable, onReachability } from '../api/reachability.ts';
import { RefusedBanner } from '../connect/refused-banner.tsx';
import { SignOut } from '../session/sign-out.tsx';
import { useMe } from '../session/use-me.ts';
import { Flame } from './icon.tsx';
import { MainNav } from './main-nav.tsx';
import { ThemeSwitch } from './theme-switch.tsx';

export interface PageFrameProps {
  children: ReactNode;
  /** Takes the whole window's width: a screen is in it. */
  wide?: boolean;
}

/** What every page but the desktop has around it. */
export function PageFrame({ children, wide = false }: PageFrameProps): ReactElement {
  const me = useMe();
  return (
    <>
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <div className={`top-inner ${wide ? 'wide' : ''}`}>
          <Link className="brand" to="/">
            <Flame /> Hearth
          </Link>
          <MainNav />
          <div className="row push">
            <span className="muted small user-name">{me?.name}</span>
            <ThemeSwitch />
            {me === undefined ? null : <SignOut />}
          </div>
        </div>
      </header>
      <OfflineBanner />
      {me === undefined ? null : <RefusedBanner />}
      <main id="content" className={`page ${wide ? 'wide' : ''}`} tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

export function OfflineBanner(): ReactElement {
  const reachable = useSyncExternalStore(onReachability, isReachable);
  return (
    <div role="status">
      {reachable ? null : (
        <p className="offline">
          Hearth doesn’t answer at the moment; what you see may be old. The page connects again by itself.
        </p>
      )}
    </div>
  );
}
