import type { HeldCredential, VmId } from '@hearth/contract';
import type { CredentialRecord } from './credential-record.ts';

/**
 * What is to be done about a credential that a VM holds.
 * nothing; take: the owner's tool rewrote it; replace: another one belongs there; drop: none belongs there.
 */
export type Judgement = 'nothing' | 'take' | 'replace' | 'drop';

/** Judges what a VM holds by what the vault has; it holds nothing that a sign-in of its own is about (version 0). */
export function judge(held: HeldCredential, vmId: VmId, credential: CredentialRecord | null): Judgement {
  if (held.version === 0) return 'nothing';
  if (credential === null || credential.state === 'removed') return 'drop';
  const { kind, version, ownerVmId } = credential;
  if (kind === 'api_key') return held.kind === kind && held.version === version ? 'nothing' : 'replace';
  if (ownerVmId !== null && ownerVmId !== vmId) return 'drop';
  const mayWrite =
    held.kind === kind && ownerVmId === vmId && held.version >= firstOfItsOwn(credential, vmId);
  if (!mayWrite) return 'replace';
  // Handed over an older version and not changed: it was not told of a version of its own yet.
  if (held.version < version || held.changed) return held.intact ? 'take' : 'nothing';
  return 'nothing';
}

/** May what a VM holds become the next version? Only the owner's, based on the newest one or on one of its own. */
export function mayWrite(
  held: Pick<HeldCredential, 'kind' | 'version'>,
  vmId: VmId,
  credential: CredentialRecord,
): boolean {
  const { kind, state, ownerVmId } = credential;
  if (state === 'removed' || kind !== 'sign_in' || held.kind !== kind || ownerVmId !== vmId) return false;
  return held.version >= firstOfItsOwn(credential, vmId);
}

/** Of the versions that this VM wrote without another writer in between, that on which the first is based; else the newest. */
function firstOfItsOwn({ version, versions }: CredentialRecord, vmId: VmId): number {
  let first = version;
  for (const { version: written, writer } of versions) {
    if (writer.type !== 'vm' || writer.vmId !== vmId) break;
    first = written - 1;
  }
  return first;
}

/** Is it a writer that lost its right, not a VM that merely waits for a newer version? */
export const isStaleWriter = (held: HeldCredential, judgement: Judgement): boolean =>
  held.kind === 'sign_in' && held.changed && (judgement === 'replace' || judgement === 'drop');
