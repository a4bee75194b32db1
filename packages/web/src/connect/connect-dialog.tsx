import type { LoginMethod, Provider, SignInMethod } from '@hearth/contract';
import { useEffect, useId, useRef, useState, type ReactElement } from 'react';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { ApiKeyForm } from './api-key-form.tsx';
import { methodWords } from './method-words.ts';
import { useStartSignin } from './use-start-signin.ts';

export interface ConnectDialogProps {
  provider: Provider;
  /** There is a credential already, which this one replaces. */
  replaces: boolean;
  /** Chosen when it opens; the provider's first one where left out. */
  method?: SignInMethod;
  onClose: () => void;
}

/** The ways to connect a provider, as equals, with its maker's words on them. */
export function ConnectDialog({ provider, replaces, method, onClose }: ConnectDialogProps): ReactElement {
  const { title, methods, policy } = provider;
  const [chosen, choose] = useState<SignInMethod>(method ?? methods[0] ?? 'api_key');
  const dialog = useRef<HTMLDialogElement>(null);
  const headingId = useId();
  const name = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const close = (): void => dialog.current?.close();
  return (
    <dialog ref={dialog} className="connect-dialog" aria-labelledby={headingId} onClose={onClose}>
      <div className="stack">
        <div className="row">
          <h2 id={headingId}>{replaces ? `Connect ${title} anew` : `Connect ${title}`}</h2>
          <button type="button" className="button quiet slim push" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </button>
        </div>
        {replaces ? (
          <p className="muted small">What is connected now stays until the new one is stored.</p>
        ) : null}
        <fieldset className="method-choices">
          <legend className="hidden-text">How to connect</legend>
          {methods.map((each) => (
            <label key={each} className={`method-choice ${each === chosen ? 'chosen' : ''}`}>
              <input type="radio" name={name} checked={each === chosen} onChange={() => choose(each)} />
              <span>
                <strong>{methodWords[each].name}</strong>
                <span className="muted small block">{methodWords[each].text}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <p className="notice small">{policy}</p>
        {chosen === 'api_key' ? (
          <ApiKeyForm provider={provider} onStored={close} />
        ) : (
          <StartForm provider={provider} method={chosen} />
        )}
      </div>
    </dialog>
  );
}

function StartForm({ provider, method }: { provider: Provider; method: LoginMethod }): ReactElement {
  const { start, busy, error } = useStartSignin();
  return (
    <>
      {error === null ? null : <Problem error={error} />}
      <button
        type="button"
        className="button primary"
        disabled={busy}
        onClick={() => start(provider.id, method)}
      >
        {busy ? 'Starting…' : 'Continue'}
      </button>
    </>
  );
}
