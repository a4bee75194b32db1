import { isAllowedUrl, type Provider, type Signin } from '@hearth/contract';
import type { ReactElement } from 'react';
import { CopyButton } from '../design/copy-button.tsx';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import type { Journey } from './use-journey.ts';

export interface PartProps {
  signin: Signin;
  provider: Provider;
  journey: Journey;
}

/** The link that the tool gave, as soon as there is one. */
export function LinkBox({ signin, provider, journey }: PartProps): ReactElement {
  const { oauthUrl: link, method, state } = signin;
  if (link === null)
    return (
      <p className="muted small" role="status">
        The link appears here as soon as the tool gives it.
      </p>
    );
  const onDesktop = method === 'browser';
  return (
    <section className="stack tight" aria-label="Link of the sign-in">
      <p className="small">
        {onDesktop
          ? 'The tool opened this page on the desktop. If it isn’t there, open it again.'
          : 'Open this page in any browser, and sign in there.'}
      </p>
      <p className="link-text" tabIndex={0} aria-label="The link">
        {link}
      </p>
      <div className="row">
        {onDesktop || !isAllowedUrl(provider, link) ? null : (
          <a className="button slim primary" href={link} target="_blank" rel="noopener noreferrer">
            <Icon name="out" /> Open the page
          </a>
        )}
        <CopyButton text={() => link} label="Copy the link" />
        <button
          type="button"
          className="button slim"
          disabled={journey.busyWith !== null || state !== 'awaiting_user'}
          onClick={() => journey.act({ name: 'open-url', body: {} })}
        >
          <Icon name="screen" /> {journey.busyWith === 'open-url' ? 'Opening…' : 'Open on the desktop'}
        </button>
      </div>
      {journey.error?.of === 'open-url' ? <Problem error={journey.error.error} /> : null}
    </section>
  );
}

/** What is typed on the provider's page. */
export function UserCode({ code }: { code: string }): ReactElement {
  return (
    <section className="user-code" aria-label="Your code">
      <p className="small">Type this code there:</p>
      <output className="user-code-text">{code}</output>
      <CopyButton text={() => code} label="Copy the code" />
    </section>
  );
}
