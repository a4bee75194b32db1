import type { GuestCredential, HostMessage } from '@hearth/contract';
import type { CredentialStore } from './credential-store.ts';

export type CredentialMessage = HostMessage & { type: `credential-${string}` };

/** Does what the host asks over the control channel; the result is the reply's data. Throws HearthError. */
export async function answerCredentialMessage(
  store: Pick<CredentialStore, 'put' | 'get' | 'kept' | 'drop'>,
  message: CredentialMessage,
): Promise<GuestCredential | null | undefined> {
  switch (message.type) {
    case 'credential-put':
      await store.put(message.credential);
      return undefined;
    case 'credential-get':
      return store.get(message.provider);
    case 'credential-kept':
      await store.kept(message.provider, message.version, message.digest);
      return undefined;
    case 'credential-drop':
      return store.drop(message.provider);
  }
}
