import type { Credential, CredentialVerdict, ProviderId, RequestId, UserId, VmId } from '@hearth/contract';
import type { VmRecord } from '../domain/vms/vm-record.ts';

/** Who asked, and until when. */
export interface HandOverCall {
  requestId: RequestId;
  signal: AbortSignal;
}

/** What a VM has of a provider after a hand-over. */
export interface HandedOver {
  credentialId: Credential['id'];
  version: number;
  kind: Credential['kind'];
}

/** Credentials on their way between the vault and the VMs: a refresh token has one owner at a time. */
export interface CredentialService {
  /**
   * Sees to it that this VM holds the newest version: puts it, and takes it from another VM that isn't using it. Throws
   * credential_missing, needs_login (state `refused`), credential_busy, vault_failed, and what the host says.
   */
  handOver(vm: VmRecord, provider: ProviderId, call: HandOverCall): Promise<HandedOver>;
  /** The same for every provider that is connected; skips those that are busy elsewhere or refused. */
  handOverAll(vm: VmRecord, call: HandOverCall): Promise<void>;
  /** null: none, or removed. */
  find(userId: UserId, provider: ProviderId): Promise<Credential | null>;
  list(userId: UserId): Promise<Credential[]>;
  /** Counts the end of a run, once a run; null where there is no credential any more. */
  settle(userId: UserId, provider: ProviderId, verdict: CredentialVerdict): Promise<Credential | null>;
  /** Tells every change; in state `removed` for the last time. Gives back what ends it. */
  watch(listener: (credential: Credential) => void): () => void;
  /**
   * Before a VM is deleted or hibernated: takes what the tool rewrote into the vault, and the credentials out of the VM. Throws
   * where the VM does not give them.
   */
  takeBack(vm: VmRecord, signal: AbortSignal): Promise<void>;
  /** Adds a judge of whether a VM uses its credential of a provider now. */
  busy(check: (vmId: VmId, provider: ProviderId) => boolean): void;
}
