import { createHash, randomBytes } from 'node:crypto';

/** Who may redeem a code, and for what. */
export interface CodeGrant {
  clientId: string;
  redirectUri: string;
  scope: string;
  /** S256, base64url. */
  challenge: string;
}

export interface TokenPair {
  accessToken: string;
  refreshToken: string;
  expiresInSeconds: number;
  scope: string;
}

/** In the words of RFC 6749, section 5.2. */
export type OAuthRefusal = { error: 'invalid_grant' | 'invalid_client'; description: string };

export type TokenState = 'valid' | 'expired' | 'revoked' | 'unknown';

interface AccessToken {
  expiresAt: number;
  revoked: boolean;
}

interface LedgerOptions {
  /** Provider's name in the tokens' text. */
  name: string;
  /** In every token's text, so that a search for it finds any of them. */
  canary: string;
  /** Milliseconds. */
  now: () => number;
}

/**
 * What one provider's sign-in server has given out. Codes work once and only with their verifier; refresh tokens
 * rotate: a used one is refused.
 */
export class TokenLedger {
  readonly #options: LedgerOptions;
  readonly #codes = new Map<string, CodeGrant>();
  readonly #access = new Map<string, AccessToken>();
  /** Refresh token → its scope, or null once it was used or revoked. */
  readonly #refresh = new Map<string, string | null>();
  #rejectsNextCode = false;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  issueCode(grant: CodeGrant): string {
    const code = this.#mint('code');
    this.#codes.set(code, grant);
    return code;
  }

  redeemCode(
    code: string,
    { verifier, redirectUri, clientId }: { verifier: string; redirectUri: string; clientId: string },
    lifetimeSeconds: number,
  ): TokenPair | OAuthRefusal {
    const grant = this.#codes.get(code);
    this.#codes.delete(code);
    const rejects = this.#rejectsNextCode;
    this.#rejectsNextCode = false;
    if (rejects) return refusal('the stand-in was told to reject this code');
    if (grant === undefined) return refusal('the code is unknown or was used');
    if (grant.clientId !== clientId) return { error: 'invalid_client', description: 'another client' };
    if (grant.redirectUri !== redirectUri) return refusal('redirect_uri is not the one of the request');
    if (createHash('sha256').update(verifier).digest('base64url') !== grant.challenge)
      return refusal('code_verifier does not match code_challenge');
    return this.issueTokens(grant.scope, lifetimeSeconds);
  }

  refresh(refreshToken: string, lifetimeSeconds: number): TokenPair | OAuthRefusal {
    const scope = this.#refresh.get(refreshToken);
    if (scope === undefined) return refusal('refresh token is unknown');
    if (scope === null) return refusal('refresh token was used or revoked');
    this.#refresh.set(refreshToken, null);
    return this.issueTokens(scope, lifetimeSeconds);
  }

  /** As at servers whose refresh tokens don't rotate: the same one works on. */
  renew(refreshToken: string, lifetimeSeconds: number): TokenPair | OAuthRefusal {
    const renewed = this.refresh(refreshToken, lifetimeSeconds);
    if (isRefusal(renewed)) return renewed;
    this.#refresh.delete(renewed.refreshToken);
    this.#refresh.set(refreshToken, renewed.scope);
    return { ...renewed, refreshToken };
  }

  issueTokens(scope: string, lifetimeSeconds: number): TokenPair {
    const accessToken = this.#mint('access');
    const refreshToken = this.#mint('refresh');
    this.#access.set(accessToken, {
      expiresAt: this.#options.now() + lifetimeSeconds * 1000,
      revoked: false,
    });
    this.#refresh.set(refreshToken, scope);
    return { accessToken, refreshToken, expiresInSeconds: lifetimeSeconds, scope };
  }

  stateOf(accessToken: string): TokenState {
    const token = this.#access.get(accessToken);
    if (token === undefined) return 'unknown';
    if (token.revoked) return 'revoked';
    return token.expiresAt <= this.#options.now() ? 'expired' : 'valid';
  }

  /** Servers refuse them from now on; the tools may not know it yet. */
  expireAccessTokens(): void {
    for (const token of this.#access.values()) token.expiresAt = 0;
  }

  /** As when a person removes the tool's access in the provider's settings. */
  revokeAll(): void {
    for (const token of this.#access.values()) token.revoked = true;
    for (const refreshToken of this.#refresh.keys()) this.#refresh.set(refreshToken, null);
  }

  /** As a tool's logout asks, of either kind. */
  revoke(token: string): void {
    const access = this.#access.get(token);
    if (access !== undefined) access.revoked = true;
    if (this.#refresh.has(token)) this.#refresh.set(token, null);
  }

  rejectNextCode(): void {
    this.#rejectsNextCode = true;
  }

  /** How much was given out; never what. */
  counts(): { codesOpen: number; accessTokens: number; refreshTokensUsable: number } {
    return {
      codesOpen: this.#codes.size,
      accessTokens: this.#access.size,
      refreshTokensUsable: [...this.#refresh.values()].filter((scope) => scope !== null).length,
    };
  }

  #mint(kind: 'code' | 'access' | 'refresh'): string {
    const { name, canary } = this.#options;
    return `fake-${name}-${kind}-${canary}-${randomBytes(8).toString('hex')}-NOT-A-TOKEN`;
  }
}

export function isRefusal(value: TokenPair | OAuthRefusal): value is OAuthRefusal {
  return 'error' in value;
}

function refusal(description: string): OAuthRefusal {
  return { error: 'invalid_grant', description };
}
