import { authorizePage, page } from './pages.ts';
import type { Answer, ModelRequest } from './provider.ts';
import type { OAuthRefusal, TokenLedger } from './token-ledger.ts';

/** A field of a form or of a JSON body; empty where it is none. */
export function textField({ body }: ModelRequest, name: string): string {
  const value = body[name];
  return typeof value === 'string' ? value : '';
}

export function bearerOf({ headers }: ModelRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(String(headers['authorization'] ?? ''))?.[1];
}

export function invalidRequest(words: string): Answer {
  return { type: 'page', status: 400, html: page('Invalid request', `<p>${words}</p>`) };
}

/** RFC 6749, 5.2. */
export function refusedGrant({ error, description }: OAuthRefusal): Answer {
  return { type: 'json', status: 400, body: { error, error_description: description } };
}

/**
 * The page on which the person allows the tool; it carries `required` and `optional` fields of the query back. null where the request is
 * of another client.
 */
export function askToAuthorize(
  { query, path }: ModelRequest,
  client: { id: string; title: string; required: readonly string[]; optional?: readonly string[] },
): Answer | null {
  if (query.get('client_id') !== client.id) return null;
  const value = (name: string): string => query.get(name) ?? '';
  const missing = client.required.filter((name) => value(name) === '');
  if (missing.length > 0) return invalidRequest(`missing: ${missing.join()}`);
  const carried = [...client.required, ...(client.optional ?? [])].map(
    (name) => [name, value(name)] as const,
  );
  const html = authorizePage(client.title, value('scope'), Object.fromEntries(carried), path);
  return { type: 'page', status: 200, html };
}

/** The person allowed it: the browser is sent on with a code. null where the request is of another client. */
export function redirectWithCode(
  request: ModelRequest,
  ledger: TokenLedger,
  client: { id: string; isOwnRedirect: (target: URL) => boolean; emptyChallenge?: string },
): Answer | null {
  const field = (name: string): string => textField(request, name);
  if (field('client_id') !== client.id) return null;
  const redirectUri = field('redirect_uri');
  const target = URL.canParse(redirectUri) ? new URL(redirectUri) : null;
  if (target === null || !client.isOwnRedirect(target))
    return invalidRequest('redirect_uri is not of this client');
  const code = ledger.issueCode({
    clientId: client.id,
    redirectUri,
    scope: field('scope'),
    challenge: field('code_challenge') || (client.emptyChallenge ?? ''),
  });
  target.searchParams.set('code', code);
  target.searchParams.set('state', field('state'));
  return { type: 'redirect', location: target.href };
}
