import { asHearthError, type Credential, type Provider } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactElement } from 'react';
import { tell } from '../api/request.ts';
import { ConfirmDialog } from '../design/confirm-dialog.tsx';
import { Problem } from '../design/problem.tsx';
import { CREDENTIALS_KEY } from './use-credentials.ts';

/** Takes a credential out of the vault and of the VMs, once that is confirmed. */
export function DisconnectButton(props: { provider: Provider; credential: Credential }): ReactElement {
  const { provider, credential } = props;
  const [asking, setAsking] = useState(false);
  const queries = useQueryClient();
  const removing = useMutation({
    mutationFn: () => tell('DELETE', `/api/auth/credentials/${provider.id}`),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: CREDENTIALS_KEY });
      setAsking(false);
    },
  });
  return (
    <>
      <button
        type="button"
        className="button slim quiet push"
        aria-label={`Disconnect ${provider.title}`}
        onClick={() => setAsking(true)}
      >
        Disconnect
      </button>
      {asking ? (
        <ConfirmDialog
          title={`Disconnect ${provider.title}?`}
          action={removing.isPending ? 'Disconnecting…' : 'Disconnect'}
          keep="Keep it connected"
          busy={removing.isPending}
          onConfirm={() => removing.mutate()}
          onClose={() => {
            setAsking(false);
            removing.reset();
          }}
        >
          <p>
            {credential.kind === 'api_key' ? 'The key' : 'The sign-in'} is erased here, and runs of{' '}
            {provider.title} end. {provider.vendor} itself is not told: end it there too if somebody else may
            have it.
          </p>
          {removing.isError ? <Problem error={asHearthError(removing.error)} /> : null}
        </ConfirmDialog>
      ) : null}
    </>
  );
}
