import { answerDevice } from './codex-device.ts';
import { accessOf, CODEX_CLIENT_ID, jwtOf } from './codex-tokens.ts';
import { askToAuthorize, redirectWithCode, textField } from './oauth-flow.ts';
import type { Answer, ModelRequest, OAuthServer, Surroundings } from './provider.ts';
import { isRefusal, type OAuthRefusal, type TokenPair } from './token-ledger.ts';

/** Names that codex 0.169.0 asks; `chatgpt.com` for the model of a ChatGPT sign-in, `api.openai.com` for that of a key. */
export const codexHosts = ['auth.openai.com', 'chatgpt.com', 'api.openai.com'] as const;

/** Sign-in with ChatGPT: in a browser with a callback to codex's own port, or by device code. */
export const codexOAuth: OAuthServer = {
  answer: (request, surroundings) => {
    switch (`${request.method} ${request.path}`) {
      case 'GET /oauth/authorize':
        return authorize(request);
      case 'POST /oauth/authorize':
        return allow(request, surroundings);
      case 'POST /oauth/token':
        return token(request, surroundings);
      case 'POST /oauth/revoke':
        return revoke(request, surroundings);
      default:
        return answerDevice(request, surroundings.ledger);
    }
  },
};

/** Fields that the page carries back when the person allows. */
const CARRIED = ['client_id', 'redirect_uri', 'scope', 'state', 'code_challenge', 'code_challenge_method'];

function authorize(request: ModelRequest): Answer | null {
  return askToAuthorize(request, {
    id: CODEX_CLIENT_ID,
    title: 'Sign in to Codex with ChatGPT',
    required: CARRIED,
  });
}

function allow(request: ModelRequest, { ledger }: Surroundings): Answer | null {
  return redirectWithCode(request, ledger, {
    id: CODEX_CLIENT_ID,
    isOwnRedirect: ({ hostname, pathname }) =>
      ['localhost', '127.0.0.1'].includes(hostname) && pathname === '/auth/callback',
  });
}

function token(request: ModelRequest, { ledger, behaviour }: Surroundings): Answer | null {
  const field = (name: string): string => textField(request, name);
  if (field('client_id') !== CODEX_CLIENT_ID) return null;
  const seconds = behaviour.accessTokenSeconds;
  switch (field('grant_type')) {
    case 'authorization_code':
      return granted(
        ledger.redeemCode(
          field('code'),
          {
            verifier: field('code_verifier'),
            redirectUri: field('redirect_uri'),
            clientId: CODEX_CLIENT_ID,
          },
          seconds,
        ),
      );
    case 'refresh_token':
      return granted(ledger.refresh(field('refresh_token'), seconds));
    default:
      // The browser login also asks for an API key in exchange for the id token; accounts without an API organisation get none.
      return refused(400, 'invalid_subject_token', 'Invalid ID token: missing organization_id');
  }
}

function granted(result: TokenPair | OAuthRefusal): Answer {
  if (isRefusal(result))
    return /refresh token/.test(result.description)
      ? refused(401, 'refresh_token_reused', 'Your refresh token has already been used or revoked.')
      : refused(400, result.error, result.description);
  return {
    type: 'json',
    status: 200,
    body: {
      token_type: 'bearer',
      id_token: jwtOf(result, 'id'),
      access_token: jwtOf(result, 'access'),
      refresh_token: result.refreshToken,
      expires_in: result.expiresInSeconds,
      scope: result.scope,
    },
  };
}

/** What `codex logout` asks; a second login asks it too, for the tokens of the first. */
function revoke(request: ModelRequest, { ledger }: Surroundings): Answer | null {
  if (textField(request, 'client_id') !== CODEX_CLIENT_ID) return null;
  const given = textField(request, 'token');
  ledger.revoke(accessOf(given) ?? given);
  return { type: 'json', status: 200, body: {} };
}

function refused(status: number, code: string, message: string): Answer {
  return {
    type: 'json',
    status,
    body: { error: { message, type: 'invalid_request_error', param: null, code } },
  };
}
