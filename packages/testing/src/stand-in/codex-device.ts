import { randomBytes, randomInt } from 'node:crypto';
import { CODEX_CLIENT_ID, challengeOf } from './codex-tokens.ts';
import { textField } from './oauth-flow.ts';
import { page } from './pages.ts';
import type { Answer, ModelRequest } from './provider.ts';
import type { TokenLedger } from './token-ledger.ts';

interface DeviceGrant {
  userCode: string;
  /** What the tool is given once the person typed the code; it redeems it like any other. */
  approved: { code: string; verifier: string } | null;
}

const REDIRECT = 'https://auth.openai.com/deviceauth/callback';
/** No letter or digit that could be taken for another. */
const LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const grantsOf = new WeakMap<TokenLedger, Map<string, DeviceGrant>>();

/** Sign-in by device code: the tool polls while the person types its code into /codex/device. null for another path. */
export function answerDevice(request: ModelRequest, ledger: TokenLedger): Answer | null {
  const grants = grantsOf.get(ledger) ?? new Map<string, DeviceGrant>();
  grantsOf.set(ledger, grants);
  switch (`${request.method} ${request.path}`) {
    case 'POST /api/accounts/deviceauth/usercode':
      return begin(request, grants);
    case 'POST /api/accounts/deviceauth/token':
      return poll(request, grants);
    case 'GET /codex/device':
      return form(200, 'Enter the code that Codex shows.');
    case 'POST /codex/device':
      return approve(request, grants, ledger);
    default:
      return null;
  }
}

function begin(request: ModelRequest, grants: Map<string, DeviceGrant>): Answer {
  if (textField(request, 'client_id') !== CODEX_CLIENT_ID) return json(400, { error: 'invalid_client' });
  const id = `deviceauth_${randomBytes(8).toString('hex')}`;
  const letters = (count: number) =>
    Array.from({ length: count }, () => LETTERS.charAt(randomInt(LETTERS.length))).join('');
  const userCode = `${letters(4)}-${letters(5)}`;
  grants.set(id, { userCode, approved: null });
  return json(200, { device_auth_id: id, user_code: userCode, interval: '1' });
}

function poll(request: ModelRequest, grants: Map<string, DeviceGrant>): Answer {
  const id = textField(request, 'device_auth_id');
  const grant = grants.get(id);
  if (grant?.userCode !== textField(request, 'user_code')) return json(404, { error: 'unknown device code' });
  if (grant.approved === null) return json(403, { error: 'authorization_pending' });
  grants.delete(id);
  const { code, verifier } = grant.approved;
  return json(200, {
    authorization_code: code,
    code_verifier: verifier,
    code_challenge: challengeOf(verifier),
  });
}

function approve(request: ModelRequest, grants: Map<string, DeviceGrant>, ledger: TokenLedger): Answer {
  const typed = textField(request, 'user_code').trim().toUpperCase();
  const grant = [...grants.values()].find(({ userCode }) => userCode === typed);
  if (grant === undefined) return form(400, 'This code is not known. Check it and try again.');
  const verifier = randomBytes(32).toString('base64url');
  const code = ledger.issueCode({
    clientId: CODEX_CLIENT_ID,
    redirectUri: REDIRECT,
    scope: 'openid profile email offline_access',
    challenge: challengeOf(verifier),
  });
  grant.approved = { code, verifier };
  return { type: 'page', status: 200, html: page('Signed in to Codex', '<p>Close this window.</p>') };
}

function form(status: number, words: string): Answer {
  return {
    type: 'page',
    status,
    html: page(
      'Use your code to sign in to Codex',
      `<p id="words">${words}</p><form method="post" action="/codex/device">
<input id="user-code" name="user_code" autofocus autocomplete="off"> <button id="authorize">Authorize</button></form>`,
    ),
  };
}

function json(status: number, body: object): Answer {
  return { type: 'json', status, body };
}
