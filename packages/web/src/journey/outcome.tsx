import { errorTable, type Provider, type Signin } from '@hearth/contract';
import { useEffect, useRef, type ReactElement } from 'react';
import { Link } from 'react-router';
import { ApiKeyForm } from '../connect/api-key-form.tsx';
import { useStartSignin } from '../connect/use-start-signin.ts';
import { Icon } from '../design/icon.tsx';
import { Problem, Trouble } from '../design/problem.tsx';
import { NewTerminalButton } from '../terminal/new-terminal-button.tsx';

/** F21: what stands here when it is connected, whatever became of the VM. */
export function Connected(props: {
  provider: Provider;
  account: string | null;
  byKey: boolean;
}): ReactElement {
  const { provider, account, byKey } = props;
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    place.current?.focus();
  }, []);
  return (
    <section ref={place} className="panel outcome" tabIndex={-1} aria-label="Connected">
      <span className="outcome-mark">
        <Icon name="check" />
      </span>
      <h2>Connected</h2>
      <p>
        {byKey ? (
          <>Your API key for {provider.title} is in the vault.</>
        ) : account === null ? (
          <>You are signed in to {provider.title}.</>
        ) : (
          <>
            You are signed in to {provider.title} as <strong>{account}</strong>.
          </>
        )}
      </p>
      {byKey ? null : (
        <p className="muted small">
          The browser VM has done its work: it is destroyed, and with it all that was on its disk.
        </p>
      )}
      <div className="row">
        <Link className="button primary" to={`/runs?provider=${provider.id}`}>
          <Icon name="run" /> Run a prompt
        </Link>
        <NewTerminalButton provider={provider} label="Open a terminal" />
        <Link className="button quiet" to="/connect">
          Back to Connect
        </Link>
      </div>
    </section>
  );
}

/** It ended without a credential: why, and what helps. */
export function NotConnected(props: {
  signin: Signin;
  provider: Provider;
  onStored: () => void;
}): ReactElement {
  const { signin, provider, onStored } = props;
  const { state, failure, method, words } = signin;
  const starting = useStartSignin();
  return (
    <div className="journey-end">
      <section className="panel" aria-label="What happened">
        {failure !== null ? (
          <Trouble {...failure} />
        ) : state === 'cancelled' ? (
          <p>Nothing was stored, and its VM is destroyed. What was connected before stays.</p>
        ) : (
          <Trouble {...errorTable.signin_expired} detail="" />
        )}
        {words.trim() === '' || state === 'cancelled' ? null : <ToolWords words={words} open />}
        <div className="row">
          <button
            type="button"
            className="button primary"
            disabled={starting.busy}
            onClick={() => starting.start(provider.id, method)}
          >
            <Icon name="refresh" /> {starting.busy ? 'Starting…' : 'Try again'}
          </button>
          <Link className="button quiet" to="/connect">
            Back to Connect
          </Link>
        </div>
        {starting.error === null ? null : <Problem error={starting.error} />}
      </section>
      <section className="panel" aria-label="API key">
        <h2>Or use an API key</h2>
        <ApiKeyForm provider={provider} onStored={onStored} />
      </section>
    </div>
  );
}

/** The last lines that the tool printed. */
export function ToolWords({ words, open = false }: { words: string; open?: boolean }): ReactElement {
  return (
    <details open={open}>
      <summary className="small">What the tool says</summary>
      <pre className="tool-words" tabIndex={0}>
        {words}
      </pre>
    </details>
  );
}
