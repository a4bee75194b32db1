import { useSyncExternalStore, type ReactElement, type ReactNode } from 'react';
import { Link } from 'react-router';
import { isReachable, onReachability } from '../api/reachability.ts';
import { SignOut } from '../session/sign-out.tsx';
import { useMe } from '../session/use-me.ts';
import { Flame } from './icon.tsx';
import { ThemeSwitch } from './theme-switch.tsx';

/** What every page but the desktop has around it. */
export function PageFrame({ children }: { children: ReactNode }): ReactElement {
  const me = useMe();
  return (
    <>
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <div className="top-inner">
          <Link className="brand" to="/">
            <Flame /> Hearth
          </Link>
          <div className="row push">
            <span className="muted small user-name">{me?.name}</span>
            <ThemeSwitch />
            {me === undefined ? null : <SignOut />}
          </div>
        </div>
      </header>
      <OfflineBanner />
      <main id="content" className="page" tabIndex={-1}>
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
