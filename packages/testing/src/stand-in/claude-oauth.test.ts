import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request as ask } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startStandIn, type StandIn } from './server.ts';

const CLIENT = '9d1c250a-e61b-44d9-88ed-5944d1962f5e';
const LOCAL = 'http://localhost:4711/callback';
const MANUAL = 'https://platform.claude.com/oauth/code/callback';
const VERIFIER = 'a-verifier-that-is-long-enough-for-anybody-0123456789';

let folder: string;
let standIn: StandIn;
let web: Agent;
let nowMs: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-stand-in-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = async (): Promise<void> => {
  nowMs = Date.parse('2026-11-23T12:00:00Z');
  standIn = await startStandIn({ tls: { folder, port: 0 }, canary: 'CANARY', now: () => nowMs });
  web = new Agent({
    connect: {
      ca: standIn.tls?.ca ?? '',
      lookup: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    },
  });
};
afterEach(async () => {
  await web.close();
  await standIn.stop();
});

/** As a browser or the tool asks: by the provider's name, with TLS. */
async function at(
  host: string,
  path: string,
  { json, form, bearer }: { json?: object; form?: Record<string, string>; bearer?: string } = {},
) {
  const answer = await ask(`https://${host}:${standIn.tls?.port ?? 0}${path}`, {
    dispatcher: web,
    method: json === undefined && form === undefined ? 'GET' : 'POST',
    headers: {
      'content-type': form === undefined ? 'application/json' : 'application/x-www-form-urlencoded',
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
    },
    body:
      json !== undefined
        ? JSON.stringify(json)
        : form === undefined
          ? null
          : new URLSearchParams(form).toString(),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, location: String(answer.headers['location'] ?? ''), text };
}

const control = (path: string, body: object = {}) =>
  fetch(`${standIn.url}/__stand-in/${path}`, { method: 'POST', body: JSON.stringify(body) });

const wish = (redirectUri: string): Record<string, string> => ({
  client_id: CLIENT,
  redirect_uri: redirectUri,
  scope: 'user:inference',
  state: 'a-state',
  code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
  code_challenge_method: 'S256',
});

async function allow(redirectUri = LOCAL): Promise<{ code: string; location: string }> {
  const { status, location } = await at('claude.com', '/cai/oauth/authorize', { form: wish(redirectUri) });
  expect(status).toBe(302);
  return { code: new URL(location).searchParams.get('code') ?? '', location };
}

const redeem = (code: string, changes: object = {}) =>
  at('platform.claude.com', '/v1/oauth/token', {
    json: {
      ...{ grant_type: 'authorization_code', client_id: CLIENT, code, state: 'a-state' },
      ...{ redirect_uri: LOCAL, code_verifier: VERIFIER },
      ...changes,
    },
  });
const refresh = (refreshToken: string) =>
  at('platform.claude.com', '/v1/oauth/token', {
    json: { grant_type: 'refresh_token', client_id: CLIENT, refresh_token: refreshToken },
  });
const tokens = (text: string) => JSON.parse(text) as { access_token: string; refresh_token: string };
const message = (bearer: string) =>
  at('api.anthropic.com', '/v1/messages', {
    bearer,
    json: { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
  });

describe("stand-in for Claude's sign-in", () => {
  it('shows a page with a button, which leads back to the tool with code and state', async () => {
    await start();
    const page = await at(
      'claude.com',
      `/cai/oauth/authorize?${new URLSearchParams(wish(LOCAL)).toString()}`,
    );
    expect(page.status).toBe(200);
    expect(page.text).toContain('<button id="authorize"');
    const { location } = await allow();
    expect(location).toMatch(
      /^http:\/\/localhost:4711\/callback\?code=fake-anthropic-code-CANARY-.*&state=a-state$/,
    );
  });

  it('shows the code to copy where the redirect is the manual one', async () => {
    await start();
    const { code, location } = await allow(MANUAL);
    const { pathname, search } = new URL(location);
    const page = await at('platform.claude.com', pathname + search);
    expect(page.text).toContain(`<pre id="code">${code}#a-state</pre>`);
  });

  it('redeems a code once, for its verifier, redirect and client', async () => {
    await start();
    const { code } = await allow();
    const first = await redeem(code);
    expect(first.status).toBe(200);
    expect((await redeem(code)).status).toBe(400);
    for (const wrong of [
      { code_verifier: 'another' },
      { redirect_uri: MANUAL },
      { code: 'made-up' },
      { grant_type: 'password' },
    ])
      expect((await redeem((await allow()).code, wrong)).status, JSON.stringify(wrong)).toBe(400);
    const { access_token: bearer } = tokens(first.text);
    expect((await at('api.anthropic.com', '/api/oauth/profile', { bearer })).text).toContain('claude_pro');
    expect((await at('api.anthropic.com', '/api/oauth/profile', { bearer: 'x' })).status).toBe(401);
    expect((await message(bearer)).status).toBe(200);
  });

  it('refuses a redirect to elsewhere', async () => {
    await start();
    const form = wish('https://evil.example/callback');
    expect((await at('claude.com', '/cai/oauth/authorize', { form })).status).toBe(400);
  });

  it('rotates: a used refresh token is refused, its successor is not', async () => {
    await start();
    const first = tokens((await redeem((await allow()).code)).text);
    const second = tokens((await refresh(first.refresh_token)).text);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    const reused = await refresh(first.refresh_token);
    expect(reused.status).toBe(400);
    expect(reused.text).toContain('invalid_grant');
    expect((await refresh(second.refresh_token)).status).toBe(200);
  });

  it('lets access tokens end by their time, and at once where it is told to', async () => {
    await start();
    await control('anthropic/behaviour', { accessTokenSeconds: 60 });
    const first = tokens((await redeem((await allow()).code)).text);
    expect((await message(first.access_token)).status).toBe(200);
    nowMs += 60_000;
    expect((await message(first.access_token)).status).toBe(401);
    const second = tokens((await refresh(first.refresh_token)).text);
    expect((await message(second.access_token)).status).toBe(200);
    await control('anthropic/expire-access-tokens');
    expect((await message(second.access_token)).status).toBe(401);
  });

  it('is switched while it runs: next code rejected, everything revoked, 401 from now on', async () => {
    await start();
    await control('anthropic/reject-next-code');
    expect((await redeem((await allow()).code)).status).toBe(400);
    const good = tokens((await redeem((await allow()).code)).text);
    await control('behaviour', { failStatus: 401 });
    expect((await message(good.access_token)).status).toBe(401);
    await control('behaviour', { failStatus: null });
    expect((await message(good.access_token)).status).toBe(200);
    await control('anthropic/revoke');
    expect((await message(good.access_token)).status).toBe(401);
    expect((await refresh(good.refresh_token)).status).toBe(400);
  });

  it('forgets a token that its tool gives back', async () => {
    await start();
    const { refresh_token: token } = tokens((await redeem((await allow()).code)).text);
    await at('platform.claude.com', '/v1/oauth/token/revoke', { json: { token } });
    expect((await refresh(token)).status).toBe(400);
  });

  it('says what is wrong with an order, and takes none over the names of providers', async () => {
    await start();
    expect((await control('behaviour', { failStatus: 7 })).status).toBe(400);
    expect((await control('behaviour', { typo: 1 })).status).toBe(400);
    expect((await control('nobody/revoke')).status).toBe(404);
    expect((await control('dance')).status).toBe(404);
    expect((await at('api.anthropic.com', '/__stand-in/revoke', { json: {} })).status).toBe(404);
  });

  it('records whom it was asked for, and neither tokens nor codes', async () => {
    await start();
    const { code } = await allow();
    const { access_token: access, refresh_token: token } = tokens((await redeem(code)).text);
    await refresh(token);
    await message(access);
    const record = JSON.stringify(standIn.requests);
    expect(standIn.requests.map(({ host, grantType }) => `${host} ${grantType ?? '-'}`)).toEqual([
      'claude.com -',
      'platform.claude.com authorization_code',
      'platform.claude.com refresh_token',
      'api.anthropic.com -',
    ]);
    for (const secret of ['CANARY', VERIFIER]) expect(record).not.toContain(secret);
  });

  it('keeps its authority from one start to the next, so that an image can trust it', async () => {
    await start();
    const before = await readFile(join(folder, 'ca.pem'), 'utf8');
    await web.close();
    await standIn.stop();
    await start();
    expect(standIn.tls?.ca).toBe(before);
    const text = execFileSync('openssl', ['verify', '-CAfile', 'ca.pem', 'server.pem'], { cwd: folder });
    expect(text.toString()).toContain('server.pem: OK');
  });
});
