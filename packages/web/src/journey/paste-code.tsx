import { useEffect, useId, useRef, useState, type ReactElement, type SubmitEvent } from 'react';
import { Problem } from '../design/problem.tsx';
import type { PartProps } from './link-box.tsx';

/** Where the code goes that the provider shows; what the tool says where it refuses it. */
export function PasteCode({ signin, provider, journey }: PartProps): ReactElement {
  const { wantsCode, codeRefused, version } = signin;
  const [code, setCode] = useState('');
  const [sentAt, setSentAt] = useState<number | null>(null);
  const fieldId = useId();
  const field = useRef<HTMLInputElement>(null);
  // Any news after the code was sent is about it.
  const checking = sentAt !== null && version <= sentAt && journey.error?.of !== 'paste-code';
  useEffect(() => {
    if (codeRefused === null) return;
    setCode('');
    setSentAt(null);
    field.current?.focus();
  }, [codeRefused, version]);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    setSentAt(version);
    journey.act({ name: 'paste-code', body: { code: code.trim() } });
  };
  return (
    <form className="stack tight" onSubmit={submit}>
      <div className="field">
        <label htmlFor={fieldId}>Code that the page shows</label>
        <input
          id={fieldId}
          ref={field}
          className="input code-input"
          autoComplete="one-time-code"
          autoCapitalize="off"
          spellCheck={false}
          maxLength={4096}
          required
          disabled={!wantsCode || checking}
          value={code}
          onChange={({ currentTarget }) => setCode(currentTarget.value)}
        />
        {wantsCode ? null : <p className="muted small">It can be pasted as soon as the tool asks for it.</p>}
      </div>
      {codeRefused === null || checking ? null : (
        <div className="notice bad" role="alert">
          <strong>{provider.title} did not take the code</strong>
          <q>{codeRefused}</q>
          <span className="muted small">Copy it again from the page, all of it, and try once more.</span>
        </div>
      )}
      {journey.error?.of === 'paste-code' ? <Problem error={journey.error.error} /> : null}
      <button
        type="submit"
        className="button primary"
        disabled={!wantsCode || checking || journey.busyWith !== null || code.trim() === ''}
      >
        {checking || journey.busyWith === 'paste-code' ? 'Checking the code…' : 'Send the code'}
      </button>
    </form>
  );
}
