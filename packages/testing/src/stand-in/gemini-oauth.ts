import { createHash } from 'node:crypto';
import { askToAuthorize, bearerOf, redirectWithCode, refusedGrant, textField } from './oauth-flow.ts';
import { codePage, page } from './pages.ts';
import type { Answer, ModelRequest, OAuthServer, Surroundings } from './provider.ts';
import { isRefusal } from './token-ledger.ts';

/** Names that gemini 0.61.0 asks, and those at which its sign-in ends. */
export const geminiHosts = [
  'accounts.google.com',
  'oauth2.googleapis.com',
  'www.googleapis.com',
  'codeassist.google.com',
  'developers.google.com',
  'cloudcode-pa.googleapis.com',
  'generativelanguage.googleapis.com',
] as const;

const CLIENT_ID = '681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com';
/** Redirects here show the code instead: the person copies it. */
const MANUAL_REDIRECT = 'https://codeassist.google.com/authcode';
const EMAIL = 'someone@example.invalid';

/** Sign-in with Google, by a callback in the VM or by a code that is pasted. */
export const geminiOAuth: OAuthServer = {
  answer: (request, surroundings) => {
    switch (`${request.method} ${request.path}`) {
      case 'GET /o/oauth2/v2/auth':
        return authorize(request);
      case 'POST /o/oauth2/v2/auth':
        return allow(request, surroundings);
      case 'GET /authcode':
        return {
          type: 'page',
          status: 200,
          html: codePage('Authorization code', request.query.get('code') ?? ''),
        };
      case 'GET /gemini-code-assist/auth_success_gemini':
        return { type: 'page', status: 200, html: page('You are signed in', '<p>Close this window.</p>') };
      case 'GET /gemini-code-assist/auth_failure_gemini':
        return { type: 'page', status: 200, html: page('The sign-in failed', '<p>Go back to the tool.</p>') };
      case 'POST /token':
        return token(request, surroundings);
      case 'POST /tokeninfo':
      case 'GET /tokeninfo':
        return signedIn(request, surroundings, { email: EMAIL, expires_in: 3600, scope: '' });
      case 'GET /oauth2/v2/userinfo':
        return signedIn(request, surroundings, { id: '1', email: EMAIL, verified_email: true });
      default:
        return null;
    }
  },
};

/** Fields that the page carries back when the person allows; the challenge is there for a pasted code alone. */
const CARRIED = ['client_id', 'redirect_uri', 'scope', 'state'];

function authorize(request: ModelRequest): Answer | null {
  return askToAuthorize(request, {
    id: CLIENT_ID,
    title: 'Gemini Code Assist wants to access your Google Account',
    required: CARRIED,
    optional: ['code_challenge'],
  });
}

function allow(request: ModelRequest, { ledger }: Surroundings): Answer | null {
  return redirectWithCode(request, ledger, {
    id: CLIENT_ID,
    isOwnRedirect: ({ href, hostname }) => href === MANUAL_REDIRECT || hostname === '127.0.0.1',
    // A callback comes without a challenge: its verifier is empty too.
    emptyChallenge: createHash('sha256').digest('base64url'),
  });
}

function token(request: ModelRequest, { ledger, behaviour }: Surroundings): Answer | null {
  const field = (name: string): string => textField(request, name);
  if (field('client_id') !== CLIENT_ID) return null;
  const seconds = behaviour.accessTokenSeconds;
  const result =
    field('grant_type') === 'refresh_token'
      ? ledger.renew(field('refresh_token'), seconds)
      : ledger.redeemCode(
          field('code'),
          { verifier: field('code_verifier'), redirectUri: field('redirect_uri'), clientId: CLIENT_ID },
          seconds,
        );
  if (isRefusal(result)) return refusedGrant(result);
  return {
    type: 'json',
    status: 200,
    body: {
      token_type: 'Bearer',
      access_token: result.accessToken,
      // Google's refresh tokens don't rotate: a refresh gives none.
      ...(field('grant_type') === 'refresh_token' ? {} : { refresh_token: result.refreshToken }),
      expires_in: result.expiresInSeconds,
      scope: result.scope,
      id_token: idToken(result.accessToken),
    },
  };
}

/** A JWT that nobody verifies; in the place of its signature stands the ledger's token. */
function idToken(accessToken: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part({ email: EMAIL })}.${accessToken.replace('-access-', '-id-')}`;
}

function signedIn(request: ModelRequest, { ledger }: Surroundings, body: object): Answer {
  const given =
    bearerOf(request) ?? (textField(request, 'access_token') || request.query.get('access_token')) ?? '';
  return ledger.stateOf(given) === 'valid'
    ? { type: 'json', status: 200, body }
    : { type: 'json', status: 401, body: { error: 'invalid_token', error_description: 'Invalid Value' } };
}
