import { createHash } from 'node:crypto';
import type { TokenPair } from './token-ledger.ts';

export const CODEX_CLIENT_ID = 'app_EMoamEEZ73f0CkXaXp7hrann';
/** The account that everybody signs in to. */
export const CODEX_ACCOUNT_ID = '00000000-0000-4000-8000-00000000acc1';

/**
 * A JWT as codex reads it, but never verifies: `exp` says when to refresh, the id token whose account it is. In the place of its
 * signature stands the ledger's token in plain letters, so that a search for the canary finds it.
 */
export function jwtOf({ accessToken, expiresInSeconds }: TokenPair, kind: 'id' | 'access'): string {
  const claims = {
    iss: 'https://auth.openai.com',
    sub: 'user-fake',
    exp: Math.floor(Date.now() / 1000) + expiresInSeconds,
    email: 'someone@example.invalid',
    'https://api.openai.com/auth': {
      chatgpt_account_id: CODEX_ACCOUNT_ID,
      chatgpt_plan_type: 'plus',
      chatgpt_user_id: 'user-fake',
      user_id: 'user-fake',
      organizations: [],
    },
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${accessToken.replace('-access-', `-${kind}-`)}`;
}

/** The ledger's token in such a JWT; null for another text. */
export function accessOf(jwt: string): string | null {
  const parts = jwt.split('.');
  return parts.length === 3 ? (parts[2] ?? null) : null;
}

export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url');
}
