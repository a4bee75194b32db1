import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, type ReactElement } from 'react';
import { BrowserRouter, Route, Routes, useLocation, useNavigate } from 'react-router';
import { Broken } from './pages/broken.tsx';
import { ConnectPage } from './pages/connect-page.tsx';
import { HostPage } from './pages/host-page.tsx';
import { JourneyPage } from './pages/journey-page.tsx';
import { NotFoundPage } from './pages/not-found-page.tsx';
import { RunPage } from './pages/run-page.tsx';
import { RunsPage } from './pages/runs-page.tsx';
import { SigninPage } from './pages/signin-page.tsx';
import { StartPage } from './pages/start-page.tsx';
import { VmPage } from './pages/vm-page.tsx';
import { VmsPage } from './pages/vms-page.tsx';
import { WhyPage } from './pages/why-page.tsx';
import { signinPath } from './session/next-path.ts';
import { onSessionLost } from './session/session-lost.ts';

/** noVNC is loaded only where a desktop is shown. */
const DesktopPage = lazy(async () => ({ default: (await import('./pages/desktop-page.tsx')).DesktopPage }));

/** xterm.js likewise. */
const TerminalPage = lazy(async () => ({
  default: (await import('./pages/terminal-page.tsx')).TerminalPage,
}));

const queries = new QueryClient({
  defaultOptions: {
    // `always`: a Hearth on this machine answers without any network; what fails is said, not put off.
    queries: { retry: false, refetchOnWindowFocus: false, networkMode: 'always' },
    mutations: { networkMode: 'always' },
  },
});

export function App(): ReactElement {
  return (
    <Broken>
      <QueryClientProvider client={queries}>
        <BrowserRouter>
          <Session />
          <Suspense fallback={<p className="narrow muted">Loading…</p>}>
            <Routes>
              <Route path="/signin" element={<SigninPage />} />
              <Route path="/" element={<StartPage />} />
              <Route path="/connect" element={<ConnectPage />} />
              <Route path="/connect/:sessionId" element={<JourneyPage />} />
              <Route path="/runs" element={<RunsPage />} />
              <Route path="/runs/:id" element={<RunPage />} />
              <Route path="/terminal" element={<TerminalPage />} />
              <Route path="/terminal/:vmId/:terminalId" element={<TerminalPage />} />
              <Route path="/vms" element={<VmsPage />} />
              <Route path="/vms/:id" element={<VmPage />} />
              <Route path="/vms/:id/console" element={<VmPage />} />
              <Route path="/vms/:id/why" element={<WhyPage />} />
              <Route path="/vms/:id/desktop" element={<DesktopPage />} />
              <Route path="/api/vms/:id/desktop" element={<DesktopPage />} />
              <Route path="/api/auth/session/:id/novnc" element={<DesktopPage />} />
              <Route path="/host" element={<HostPage />} />
              <Route path="*" element={<NotFoundPage />} />
            </Routes>
          </Suspense>
        </BrowserRouter>
      </QueryClientProvider>
    </Broken>
  );
}

/** Whoever is no longer signed in comes back here after signing in again. */
function Session(): null {
  const { pathname, search } = useLocation();
  const navigate = useNavigate();
  useEffect(
    () =>
      onSessionLost(() => {
        if (pathname === '/signin') return;
        queries.removeQueries({ queryKey: ['me'] });
        void navigate(signinPath(pathname + search), { replace: true });
      }),
    [pathname, search, navigate],
  );
  return null;
}
