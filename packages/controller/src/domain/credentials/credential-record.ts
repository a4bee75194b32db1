import type {
  Credential,
  CredentialId,
  CredentialVerdict,
  ParsedCredential,
  ProviderId,
  UserId,
  VmId,
} from '@hearth/contract';

/** Of this many last runs the rate of refusals is told. */
const KEPT_OUTCOMES = 20;
/** The newest version and five older ones: who wrote them; their secrets are gone. */
const KEPT_VERSIONS = 6;

/** A credential as the controller keeps it, without its secret. */
export interface CredentialRecord extends Omit<Credential, 'refusalRate'> {
  /** Counts every change; `version` is that of the secret. */
  revision: number;
  /** How the last runs ended, newest first. */
  outcomes: CredentialVerdict[];
}

export type CredentialWriter = Credential['versions'][number]['writer'];

/** A new secret. */
export interface NewVersion {
  kind: Credential['kind'];
  writer: CredentialWriter;
  account: string | null;
  expiresAtMs: number | null;
  /** Whose it is from now on; null: nobody's. */
  ownerVmId: VmId | null;
}

/** What a file that was read says of a version. */
export const factsOf = ({
  account,
  expiresAtMs,
}: Extract<ParsedCredential, { ok: true }>): Pick<NewVersion, 'account' | 'expiresAtMs'> => ({
  account,
  expiresAtMs,
});

/** The credential of a person and provider with a new version of its secret; `id` is for the first one. */
export function withVersion(
  before: CredentialRecord | null,
  whose: { id: CredentialId; userId: UserId; provider: ProviderId },
  { kind, writer, account, expiresAtMs, ownerVmId }: NewVersion,
  now: Date,
): CredentialRecord {
  const at = now.toISOString();
  const version = (before?.version ?? 0) + 1;
  const live = before !== null && before.state !== 'removed' ? before : null;
  // A tool's refresh goes on with what was; anything else is a new beginning.
  const refreshed = writer.type === 'vm' ? live : null;
  return {
    id: before?.id ?? whose.id,
    userId: whose.userId,
    provider: whose.provider,
    kind,
    state: refreshed?.state ?? 'valid',
    revision: (before?.revision ?? -1) + 1,
    version,
    account: account ?? refreshed?.account ?? null,
    createdAt: live?.createdAt ?? at,
    updatedAt: at,
    refreshedAt: writer.type === 'vm' ? at : null,
    expiresAt: expiresAtMs === null ? null : isoOrNull(expiresAtMs),
    lastUsedAt: live?.lastUsedAt ?? null,
    refusals: refreshed?.refusals ?? 0,
    outcomes: refreshed?.outcomes ?? [],
    ownerVmId,
    versions: [{ version, at, writer }, ...(before?.versions ?? [])].slice(0, KEPT_VERSIONS),
  };
}

/** Whatever number a tool's file holds. */
function isoOrNull(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** null where it has that owner already. */
export const ownedBy = (credential: CredentialRecord, ownerVmId: VmId | null): CredentialRecord | null =>
  credential.ownerVmId === ownerVmId ? null : { ...credential, revision: credential.revision + 1, ownerVmId };

/** Counts the end of a run; null where it is counted already. */
export function counted(
  credential: CredentialRecord,
  { runId, refused }: CredentialVerdict,
  pauseAfterRefusals: number,
  now: Date,
): CredentialRecord | null {
  if (credential.outcomes.some((known) => known.runId === runId)) return null;
  const refusals = refused ? credential.refusals + 1 : 0;
  const refusedForGood = credential.state === 'refused' || refusals >= pauseAfterRefusals;
  return {
    ...credential,
    revision: credential.revision + 1,
    // What worked is valid, whatever was counted before.
    state: refused && refusedForGood ? 'refused' : 'valid',
    refusals,
    lastUsedAt: now.toISOString(),
    outcomes: [{ runId, refused }, ...credential.outcomes].slice(0, KEPT_OUTCOMES),
  };
}

export function removed(credential: CredentialRecord): CredentialRecord {
  return { ...credential, revision: credential.revision + 1, state: 'removed', ownerVmId: null };
}

/** What the API shows. */
export function toCredentialView({
  revision: _revision,
  outcomes,
  ...credential
}: CredentialRecord): Credential {
  const refusals = outcomes.filter(({ refused }) => refused).length;
  return { ...credential, refusalRate: outcomes.length === 0 ? null : refusals / outcomes.length };
}
