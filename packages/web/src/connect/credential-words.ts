import type { Credential, Provider } from '@hearth/contract';
import { formatAge } from '../vms/age.ts';

/** What a card says of a credential, name and value. */
export function credentialFacts(
  credential: Credential,
  nowMs: number,
): readonly (readonly [string, string])[] {
  const { kind, account, createdAt, refreshedAt, lastUsedAt, expiresAt, refusalRate } = credential;
  return [
    ['With', kind === 'api_key' ? 'an API key' : (account ?? 'a sign-in')],
    ['Connected', ago(createdAt, nowMs)],
    ['Last used', lastUsedAt === null ? 'never' : ago(lastUsedAt, nowMs)],
    ...(refreshedAt === null ? [] : [['Renewed by the tool', ago(refreshedAt, nowMs)] as const]),
    ...(expiresAt === null ? [] : [['Access ends', ahead(expiresAt, nowMs)] as const]),
    ...(refusalRate === null || refusalRate === 0
      ? []
      : [['Refused', `${Math.round(refusalRate * 100)} % of the last runs`] as const]),
  ];
}

/** When an access token ends that the tool renews by itself is nothing to worry about. */
function ahead(iso: string, nowMs: number): string {
  const leftMs = Date.parse(iso) - nowMs;
  if (leftMs <= 0) return 'now; renewed at the next use';
  return `in ${formatAge(new Date(nowMs).toISOString(), nowMs + leftMs)}`.replace(
    'in just now',
    'in seconds',
  );
}

export function ago(iso: string, nowMs: number): string {
  const age = formatAge(iso, nowMs);
  return age === 'just now' ? age : `${age} ago`;
}

/** Why what was pasted can't be a key of the provider; null where it may be one. */
export function keyTrouble({ apiKeyPattern, title }: Provider, pasted: string): string | null {
  const key = pasted.trim();
  if (key === '') return 'Paste the key first.';
  if (/\s/.test(key)) return 'A key is one word: there are spaces or line breaks in this one.';
  return apiKeyPattern.test(key) ? null : `This doesn’t look like a key for ${title}. Is it all of it?`;
}
