import { askToAuthorize, bearerOf, redirectWithCode, refusedGrant, textField } from './oauth-flow.ts';
import { codePage, page } from './pages.ts';
import type { Answer, ModelRequest, OAuthServer, Surroundings } from './provider.ts';
import { isRefusal, type OAuthRefusal, type TokenPair } from './token-ledger.ts';

/** Names that claude 2.1.330 asks to sign in and to run. */
export const claudeHosts = ['claude.ai', 'claude.com', 'platform.claude.com', 'api.anthropic.com'] as const;

const CLIENT_ID = '9d1c250a-e61b-44d9-88ed-5944d1962f5e';
/** Redirects here show the code instead: the person copies it. */
const MANUAL_REDIRECT = 'https://platform.claude.com/oauth/code/callback';
const ACCOUNT = {
  uuid: '00000000-0000-4000-8000-00000000acc0',
  email_address: 'someone@example.invalid',
  full_name: 'Someone Fake',
  display_name: 'Someone',
};
const ORGANIZATION = { uuid: '00000000-0000-4000-8000-00000000049a', name: "Someone's Organization" };

/** Sign-in with a Claude plan (claude.com) and with a Console account (platform.claude.com). */
export const claudeOAuth: OAuthServer = {
  answer: (request, surroundings) => {
    switch (`${request.method} ${request.path}`) {
      case 'GET /cai/oauth/authorize':
      case 'GET /oauth/authorize':
        return authorize(request);
      case 'POST /cai/oauth/authorize':
      case 'POST /oauth/authorize':
        return allow(request, surroundings);
      case 'GET /oauth/code/callback':
        return {
          type: 'page',
          status: 200,
          html: codePage(
            'Authentication code',
            `${request.query.get('code') ?? ''}#${request.query.get('state') ?? ''}`,
          ),
        };
      case 'GET /oauth/code/success':
      case 'GET /buy_credits':
        return { type: 'page', status: 200, html: page('You are signed in', '<p>Close this window.</p>') };
      case 'POST /v1/oauth/token':
        return token(request, surroundings);
      case 'POST /v1/oauth/token/revoke':
        surroundings.ledger.revoke(textField(request, 'token'));
        return { type: 'json', status: 200, body: {} };
      case 'HEAD /api/hello':
        return { type: 'json', status: 200, body: {} };
      case 'GET /v1/mcp_servers':
        return signedIn(request, surroundings, () => ({ data: [], has_more: false }));
      case 'GET /api/oauth/profile':
        return signedIn(request, surroundings, () => ({
          account: { ...ACCOUNT, email: ACCOUNT.email_address, has_claude_max: false, has_claude_pro: true },
          organization: {
            ...ORGANIZATION,
            organization_type: 'claude_pro',
            rate_limit_tier: 'default_claude_ai',
            billing_type: 'stripe_subscription',
            has_extra_usage_enabled: false,
          },
        }));
      case 'GET /api/oauth/claude_cli/roles':
        return signedIn(request, surroundings, () => ({
          organization_uuid: ORGANIZATION.uuid,
          organization_name: ORGANIZATION.name,
          organization_role: 'admin',
          workspace_uuid: null,
          workspace_name: null,
          workspace_role: null,
        }));
      case 'POST /api/oauth/claude_cli/create_api_key':
        return signedIn(request, surroundings, () => ({
          raw_key: surroundings.ledger.issueTokens('api_key', surroundings.behaviour.accessTokenSeconds)
            .accessToken,
        }));
      default:
        return null;
    }
  },
};

/** Fields that the page carries back when the person allows. */
const CARRIED = ['client_id', 'redirect_uri', 'scope', 'state', 'code_challenge', 'code_challenge_method'];

function authorize(request: ModelRequest): Answer | null {
  return askToAuthorize(request, {
    id: CLIENT_ID,
    title: 'Claude Code would like to connect to your account',
    required: CARRIED,
  });
}

function allow(request: ModelRequest, { ledger }: Surroundings): Answer | null {
  return redirectWithCode(request, ledger, {
    id: CLIENT_ID,
    isOwnRedirect: ({ href, hostname }) => href === MANUAL_REDIRECT || hostname === 'localhost',
  });
}

function token(request: ModelRequest, { ledger, behaviour }: Surroundings): Answer | null {
  const field = (name: string): string => textField(request, name);
  if (field('client_id') !== CLIENT_ID) return null;
  const seconds = behaviour.accessTokenSeconds;
  switch (field('grant_type')) {
    case 'authorization_code':
      return granted(
        ledger.redeemCode(
          field('code'),
          { verifier: field('code_verifier'), redirectUri: field('redirect_uri'), clientId: CLIENT_ID },
          seconds,
        ),
      );
    case 'refresh_token':
      return granted(ledger.refresh(field('refresh_token'), seconds));
    default:
      return {
        type: 'json',
        status: 400,
        body: { error: 'unsupported_grant_type', error_description: 'no such grant_type' },
      };
  }
}

function granted(result: TokenPair | OAuthRefusal): Answer {
  if (isRefusal(result)) return refusedGrant(result);
  return {
    type: 'json',
    status: 200,
    body: {
      token_type: 'Bearer',
      access_token: result.accessToken,
      refresh_token: result.refreshToken,
      expires_in: result.expiresInSeconds,
      scope: result.scope,
      account: { uuid: ACCOUNT.uuid, email_address: ACCOUNT.email_address },
      organization: ORGANIZATION,
    },
  };
}

function signedIn(request: ModelRequest, { ledger }: Surroundings, body: () => object): Answer {
  if (ledger.stateOf(bearerOf(request) ?? '') === 'valid') return { type: 'json', status: 200, body: body() };
  return {
    type: 'json',
    status: 401,
    body: {
      type: 'error',
      error: { type: 'authentication_error', message: 'Invalid authentication credentials' },
    },
  };
}
