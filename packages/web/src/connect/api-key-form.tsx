import { asHearthError, credentialSchema, type Provider } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useId, useState, type ReactElement, type SubmitEvent } from 'react';
import { call } from '../api/request.ts';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { keyTrouble } from './credential-words.ts';
import { CREDENTIALS_KEY } from './use-credentials.ts';

/** Keeps a key in the vault. What was typed leaves the page as soon as it is there. */
export function ApiKeyForm({
  provider,
  onStored,
}: {
  provider: Provider;
  onStored: () => void;
}): ReactElement {
  const queries = useQueryClient();
  const [key, setKey] = useState('');
  const [trouble, setTrouble] = useState<string | null>(null);
  const fieldId = useId();
  const troubleId = useId();
  const storing = useMutation({
    mutationFn: (apiKey: string) =>
      call('POST', credentialSchema, '/api/auth/api-key', { body: { provider: provider.id, apiKey } }),
    // Mutations are remembered with what they were given.
    gcTime: 0,
    onSuccess: async () => {
      setKey('');
      await queries.invalidateQueries({ queryKey: CREDENTIALS_KEY });
      onStored();
    },
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const wrong = keyTrouble(provider, key);
    setTrouble(wrong);
    if (wrong === null) storing.mutate(key.trim());
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <div className="field">
        <label htmlFor={fieldId}>API key for {provider.title}</label>
        <input
          id={fieldId}
          className="input"
          type="password"
          autoComplete="off"
          spellCheck={false}
          maxLength={4096}
          value={key}
          aria-invalid={trouble !== null}
          aria-describedby={trouble === null ? undefined : troubleId}
          onChange={({ currentTarget }) => {
            setKey(currentTarget.value);
            setTrouble(null);
          }}
        />
        {trouble === null ? (
          <p className="muted small">
            Kept encrypted in the vault; the tool gets it as <code>{provider.apiKeyVariable}</code>. Hearth
            never shows it again.
          </p>
        ) : (
          <p id={troubleId} className="bad-text small" role="alert">
            {trouble}
          </p>
        )}
      </div>
      {storing.error === null ? null : <Problem error={asHearthError(storing.error)} />}
      <button type="submit" className="button primary" disabled={storing.isPending}>
        <Icon name="key" /> {storing.isPending ? 'Storing…' : 'Store the key'}
      </button>
    </form>
  );
}
