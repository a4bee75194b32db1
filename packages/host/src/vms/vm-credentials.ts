import {
  guestCredentialSchema,
  HearthError,
  parseWith,
  startProgress,
  type GuestCredential,
  type ProviderId,
} from '@hearth/contract';
import type { CredentialMessage, GuestSession } from './guest-session.ts';
import type { VmCell } from './vm-cell.ts';

/** A CLI that uses a credential is ended before it goes, and files are written durably: a slow guest takes its time. */
const ASK_TIMEOUT_MS = 60_000;

/** The credentials in one ready VM, over its control channel: never its network, never a disk of the host. */
export interface VmCredentials {
  /** Throws not_found where it has none of that provider. */
  get(provider: ProviderId, signal: AbortSignal): Promise<GuestCredential>;
  put(credential: GuestCredential, signal: AbortSignal): Promise<void>;
  kept(provider: ProviderId, kept: { version: number; digest: string }, signal: AbortSignal): Promise<void>;
  /** Throws not_found where it had none. */
  drop(provider: ProviderId, signal: AbortSignal): Promise<GuestCredential>;
}

export function createVmCredentials(cell: VmCell, guest: () => GuestSession): VmCredentials {
  const ask = async (message: CredentialMessage, signal: AbortSignal): Promise<unknown> => {
    const progress = startProgress({
      what: `${message.type} of ${cell.record.id}`,
      timeoutMs: ASK_TIMEOUT_MS,
      signal,
    });
    return await guest().ask(message, progress);
  };
  const read = (data: unknown, provider: ProviderId): GuestCredential => {
    const { id } = cell.record;
    if (data === null || data === undefined)
      throw new HearthError('not_found', `${id} holds no credential of ${provider}`, { vmId: id });
    return parseWith(guestCredentialSchema, data, 'control_channel_failed', 'the credential in the guest');
  };

  return {
    get: async (provider, signal) => read(await ask({ type: 'credential-get', provider }, signal), provider),
    put: async (credential, signal) => {
      // Written down first: whatever happens now, this memory is never saved, and this disk outlives a failure.
      if (!cell.record.heldSecret) cell.change({ heldSecret: true, keepsDisk: cell.record.kind === 'cli' });
      await ask({ type: 'credential-put', credential }, signal);
    },
    kept: async (provider, { version, digest }, signal) => {
      await ask({ type: 'credential-kept', provider, version, digest }, signal);
    },
    drop: async (provider, signal) =>
      read(await ask({ type: 'credential-drop', provider }, signal), provider),
  };
}
