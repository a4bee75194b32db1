import { zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { challengeOf, CODEX_CLIENT_ID } from './codex-tokens.ts';
import { startStandIn, type StandIn } from './server.ts';

const started: StandIn[] = [];
const start = async (): Promise<string> => {
  const standIn = await startStandIn({ canary: 'c4n4ry' });
  started.push(standIn);
  return standIn.url;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.stop()));
});

const REDIRECT = 'http://127.0.0.1:1455/auth/callback';
const VERIFIER = 'v'.repeat(43);
const asked = {
  client_id: CODEX_CLIENT_ID,
  redirect_uri: REDIRECT,
  scope: 'openid',
  state: 'the-state',
  code_challenge: challengeOf(VERIFIER),
  code_challenge_method: 'S256',
};
const post = (url: string, body: Record<string, string>) =>
  fetch(url, { method: 'POST', body: new URLSearchParams(body), redirect: 'manual' });
const postJson = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
interface Tokens {
  id_token: string;
  access_token: string;
  refresh_token: string;
}

async function signIn(url: string): Promise<Tokens> {
  const allowed = await post(`${url}/oauth/authorize`, asked);
  const target = new URL(allowed.headers.get('location') ?? '');
  expect(`${target.origin}${target.pathname}`).toBe(REDIRECT);
  expect(target.searchParams.get('state')).toBe('the-state');
  const redeemed = await redeem(url, target.searchParams.get('code') ?? '');
  expect(redeemed.status).toBe(200);
  return (await redeemed.json()) as Tokens;
}

const redeem = (url: string, code: string, verifier = VERIFIER, redirectUri = REDIRECT) =>
  post(`${url}/oauth/token`, {
    grant_type: 'authorization_code',
    client_id: CODEX_CLIENT_ID,
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
  });
const refresh = (url: string, token: string) =>
  postJson(`${url}/oauth/token`, {
    grant_type: 'refresh_token',
    client_id: CODEX_CLIENT_ID,
    refresh_token: token,
  });
const prompt = (text: string, more: object[] = [], tools: object[] = []) => ({
  model: 'm',
  stream: true,
  input: [
    { type: 'additional_tools', tools: [{ type: 'namespace', name: 'functions', tools }] },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
    ...more,
  ],
});
const account = (url: string, key: string) =>
  fetch(`${url}/backend-api/wham/accounts/check`, { headers: { authorization: `Bearer ${key}` } });

describe('codex sign-in, stood in for', () => {
  it('shows a page with one button, and refuses what is no request of codex', async () => {
    const url = await start();
    const page = await fetch(`${url}/oauth/authorize?${new URLSearchParams(asked).toString()}`);
    expect(await page.text()).toMatch(/<button id="authorize"[^>]*>Authorize<\/button>/);
    const without = new URLSearchParams({ client_id: CODEX_CLIENT_ID }).toString();
    expect((await fetch(`${url}/oauth/authorize?${without}`)).status).toBe(400);
    const elsewhere = await post(`${url}/oauth/authorize`, {
      ...asked,
      redirect_uri: 'https://evil.invalid/',
    });
    expect(elsewhere.status).toBe(400);
  });

  it('gives tokens for a code, once, and only with its verifier', async () => {
    const url = await start();
    const tokens = await signIn(url);
    const claims = JSON.parse(
      Buffer.from(tokens.id_token.split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, unknown>;
    expect(claims).toMatchObject({ email: 'someone@example.invalid', exp: expect.any(Number) as number });
    for (const token of [tokens.id_token, tokens.access_token, tokens.refresh_token])
      expect(token).toContain('c4n4ry');
    const allowed = await post(`${url}/oauth/authorize`, asked);
    const code = new URL(allowed.headers.get('location') ?? '').searchParams.get('code') ?? '';
    expect((await redeem(url, code, 'wrong')).status).toBe(400);
    expect((await redeem(url, code)).status).toBe(400);
  });

  it('rotates refresh tokens: a used one is refused, and so is one that was revoked', async () => {
    const url = await start();
    const { refresh_token: first } = await signIn(url);
    const second = (await (await refresh(url, first)).json()) as Tokens;
    expect(second.refresh_token).not.toBe(first);
    const again = await refresh(url, first);
    expect(again.status).toBe(401);
    expect(await again.json()).toMatchObject({ error: { code: 'refresh_token_reused' } });
    await postJson(`${url}/oauth/revoke`, { client_id: CODEX_CLIENT_ID, token: second.refresh_token });
    expect((await refresh(url, second.refresh_token)).status).toBe(401);
  });

  it('signs in by device code: pending until the person typed it, in any case of letters', async () => {
    const url = await start();
    const begun = await postJson(`${url}/api/accounts/deviceauth/usercode`, { client_id: CODEX_CLIENT_ID });
    const grant = (await begun.json()) as { device_auth_id: string; user_code: string };
    const poll = () => postJson(`${url}/api/accounts/deviceauth/token`, grant);
    expect((await poll()).status).toBe(403);
    expect(await (await fetch(`${url}/codex/device`)).text()).toContain('id="user-code"');
    expect((await post(`${url}/codex/device`, { user_code: 'ABCD-00000' })).status).toBe(400);
    expect((await poll()).status).toBe(403);
    expect((await post(`${url}/codex/device`, { user_code: grant.user_code.toLowerCase() })).status).toBe(
      200,
    );
    const given = (await (await poll()).json()) as { authorization_code: string; code_verifier: string };
    const redirect = 'https://auth.openai.com/deviceauth/callback';
    expect((await redeem(url, given.authorization_code, given.code_verifier, redirect)).status).toBe(200);
    expect((await poll()).status).toBe(404);
  });

  it('refuses expired and revoked access tokens until they are refreshed', async () => {
    const url = await start();
    const tokens = await signIn(url);
    expect((await account(url, tokens.access_token)).status).toBe(200);
    await postJson(`${url}/__stand-in/openai/expire-access-tokens`, {});
    expect((await account(url, tokens.access_token)).status).toBe(401);
    const renewed = (await (await refresh(url, tokens.refresh_token)).json()) as Tokens;
    expect((await account(url, renewed.access_token)).status).toBe(200);
    await postJson(`${url}/__stand-in/openai/revoke`, {});
    expect((await account(url, renewed.access_token)).status).toBe(401);
    expect((await refresh(url, renewed.refresh_token)).status).toBe(401);
  });
});

describe('codex models, stood in for', () => {
  const ask = (url: string, body: unknown, key = 'sk-fake') =>
    postJson(`${url}/v1/responses`, body, { authorization: `Bearer ${key}` });

  it('answers in events, also where the body is compressed', async () => {
    const url = await start();
    const answer = await fetch(`${url}/backend-api/codex/responses`, {
      method: 'POST',
      headers: { authorization: 'Bearer k', 'content-type': 'application/json', 'content-encoding': 'zstd' },
      body: new Uint8Array(zstdCompressSync(JSON.stringify(prompt('hello')))),
    });
    const text = await answer.text();
    expect(text).toContain('event: response.output_text.delta');
    expect(text.trim().split('\n\n').at(-1)).toContain('"type":"response.completed"');
  });

  it.each([
    [{ type: 'custom', name: 'exec' }, 'custom_tool_call', 'tools.exec_command'],
    [{ type: 'function', name: 'exec_command' }, 'function_call', '"name":"exec_command"'],
  ])('calls the shell that is there, and repeats what it said: %o', async (tool, type, call) => {
    const url = await start();
    const text = await (await ask(url, prompt('run: ls -la', [], [tool]))).text();
    expect(text).toContain(`"type":"${type}"`);
    expect(text).toContain(call);
    expect(text).toContain('ls -la');
    const output = [{ type: 'input_text', text: '{"output":"total 0\\n","exit_code":0}' }];
    const after = prompt('run: ls -la', [{ type: `${type}_output`, call_id: 'c', output }], [tool]);
    expect(await (await ask(url, after)).text()).toContain('The command said: total 0');
  });

  it.each([
    ['no model', {}, 'k', 400],
    ['no key', prompt('x'), '', 401],
  ])('refuses %s', async (_name, body, key, status) => {
    const url = await start();
    expect((await ask(url, body, key)).status).toBe(status);
  });
});
