import { asHearthError, type CreateSession, type HearthError } from '@hearth/contract';
import { useQueryClient } from '@tanstack/react-query';
import { useId, useState, type ReactElement, type SubmitEvent } from 'react';
import { useNavigate, useSearchParams } from 'react-router';
import { tell } from '../api/request.ts';
import { Flame } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { useTitle } from '../design/use-title.ts';
import { safeNextPath } from '../session/next-path.ts';

/** With the code of a link: one button, so that previews of the link don't spend it. Else a form for a token. */
export function SigninPage(): ReactElement {
  useTitle('Sign in');
  const [query] = useSearchParams();
  const code = query.get('code');
  const [linkSpent, setLinkSpent] = useState(false);
  return (
    <main className="narrow">
      <span className="brand">
        <Flame size={36} /> Hearth
      </span>
      {code !== null && !linkSpent ? (
        <LinkForm code={code} onSpent={() => setLinkSpent(true)} />
      ) : (
        <TokenForm linkSpent={linkSpent} />
      )}
    </main>
  );
}

interface SigningIn {
  busy: boolean;
  error: HearthError | null;
  signIn: (session: CreateSession) => Promise<HearthError | null>;
}

function useSigningIn(): SigningIn {
  const [query] = useSearchParams();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<HearthError | null>(null);
  return {
    busy,
    error,
    signIn: async (session) => {
      setBusy(true);
      setError(null);
      try {
        await tell('POST', '/api/session', { body: session, anonymous: true });
        // Another user may have been signed in before.
        queries.clear();
        await navigate(safeNextPath(query.get('next'), location.origin), { replace: true });
        return null;
      } catch (cause) {
        const known = asHearthError(cause);
        setError(known);
        return known;
      } finally {
        setBusy(false);
      }
    },
  };
}

function LinkForm({ code, onSpent }: { code: string; onSpent: () => void }): ReactElement {
  const { busy, error, signIn } = useSigningIn();
  const spend = async (): Promise<void> => {
    const failed = await signIn({ code });
    if (failed !== null && (failed.code === 'unauthenticated' || failed.code === 'bad_request')) onSpent();
  };
  return (
    <div className="panel">
      <h1>Sign this browser in?</h1>
      <p className="muted">Your link works once. It opens your VMs in this browser for 12 hours.</p>
      <button type="button" className="button primary" autoFocus disabled={busy} onClick={() => void spend()}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
      {error === null ? null : <Problem error={error} />}
    </div>
  );
}

function TokenForm({ linkSpent }: { linkSpent: boolean }): ReactElement {
  const { busy, error, signIn } = useSigningIn();
  const [token, setToken] = useState('');
  const tokenId = useId();
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void signIn({ token: token.trim() });
  };
  return (
    <form className="panel" onSubmit={submit}>
      {linkSpent ? (
        <div className="notice warn" role="alert">
          <strong>This link is spent</strong>
          <span>
            It was used already, or it is older than 15 minutes. <code>hearth link</code> prints a new one.
          </span>
        </div>
      ) : null}
      <h1>Sign in</h1>
      <div className="field">
        <label htmlFor={tokenId}>Your token</label>
        <input
          id={tokenId}
          className="input"
          type="password"
          autoComplete="current-password"
          autoFocus
          required
          maxLength={200}
          spellCheck={false}
          value={token}
          onChange={({ currentTarget }) => setToken(currentTarget.value)}
        />
        <p className="muted small">
          It begins with <code>hth_</code>. An administrator makes one with <code>hearth token create</code>;
          on Hearth’s own machine, <code>hearth link</code> signs you in without.
        </p>
      </div>
      <button type="submit" className="button primary" disabled={busy || token.trim() === ''}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
      {error === null ? null : error.code === 'unauthenticated' ? (
        <div className="notice bad" role="alert">
          <strong>This token doesn’t sign you in</strong>
          <span>{error.detail}</span>
        </div>
      ) : (
        <Problem error={error} />
      )}
    </form>
  );
}
