import { afterEach, describe, expect, it } from 'vitest';
import { startStandIn, type StandIn } from './server.ts';

const started: StandIn[] = [];
const start = async (options: { expectKey?: string } = {}): Promise<string> => {
  const standIn = await startStandIn(options);
  started.push(standIn);
  return standIn.url;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.stop()));
});

const CLIENT_ID = '681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com';
const REDIRECT = 'http://127.0.0.1:40000/oauth2callback';
const post = (url: string, body: Record<string, string>) =>
  fetch(url, { method: 'POST', body: new URLSearchParams(body), redirect: 'manual' });
const postJson = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const contents = (text: string) => [{ role: 'user', parts: [{ text }] }];
const TOOLS = [{ functionDeclarations: [{ name: 'run_shell_command' }] }];

async function signIn(url: string): Promise<{ access_token: string; refresh_token: string }> {
  const allowed = await post(`${url}/o/oauth2/v2/auth`, {
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT,
    scope: 'a',
    state: 's',
  });
  const code = new URL(allowed.headers.get('location') ?? '').searchParams.get('code') ?? '';
  const redeemed = await post(`${url}/token`, {
    grant_type: 'authorization_code',
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT,
    code,
  });
  expect(redeemed.status).toBe(200);
  return (await redeemed.json()) as { access_token: string; refresh_token: string };
}

describe('gemini, stood in for', () => {
  it('signs in, and refreshes with one token again and again, as Google does', async () => {
    const url = await start();
    const { access_token: access, refresh_token: token } = await signIn(url);
    const info = (bearer: string) =>
      fetch(`${url}/oauth2/v2/userinfo`, { headers: { authorization: `Bearer ${bearer}` } });
    expect(await (await info(access)).json()).toMatchObject({ email: 'someone@example.invalid' });
    const refresh = () =>
      post(`${url}/token`, { grant_type: 'refresh_token', client_id: CLIENT_ID, refresh_token: token });
    await postJson(`${url}/__stand-in/google/expire-access-tokens`, {});
    expect((await info(access)).status).toBe(401);
    const renewed = (await (await refresh()).json()) as { access_token: string };
    expect(renewed).not.toHaveProperty('refresh_token');
    expect((await info(renewed.access_token)).status).toBe(200);
    expect((await refresh()).status).toBe(200);
    await postJson(`${url}/__stand-in/google/revoke`, {});
    expect((await refresh()).status).toBe(400);
  });

  it('shows the code to be pasted', async () => {
    const url = await start();
    expect(await (await fetch(`${url}/authcode?code=fake-code&state=s`)).text()).toContain(
      '<pre id="code">fake-code</pre>',
    );
  });

  it('answers whole and in pieces, and in an envelope for a sign-in', async () => {
    const url = await start();
    const key = { 'x-goog-api-key': 'k' };
    const model = `${url}/v1beta/models/m`;
    const whole = await postJson(`${model}:generateContent`, { contents: contents('hi') }, key);
    expect(await whole.json()).toMatchObject({
      candidates: [{ content: { parts: [{ text: 'Hello from the stand-in.' }] }, finishReason: 'STOP' }],
    });
    const pieces = await postJson(`${model}:streamGenerateContent`, { contents: contents('hi') }, key);
    expect((await pieces.text()).match(/^data: /gm)).toHaveLength(4);
    const wrapped = await postJson(
      `${url}/v1internal:streamGenerateContent`,
      { model: 'm', request: { contents: contents('hi') } },
      key,
    );
    expect(await wrapped.text()).toMatch(/^data: {"response":{"candidates"/);
  });

  it('calls the shell, and repeats what it said', async () => {
    const url = await start();
    const ask = (list: unknown[]) =>
      postJson(
        `${url}/v1beta/models/m:generateContent`,
        { contents: list, tools: TOOLS },
        { 'x-goog-api-key': 'k' },
      );
    expect(await (await ask(contents('run: ls'))).text()).toContain('"name":"run_shell_command"');
    const output = '<untrusted_context>\nOutput: total 0\nProcess Group PGID: 1\n</untrusted_context>';
    const said = { functionResponse: { name: 'run_shell_command', response: { output } } };
    const after = await ask([...contents('run: ls'), { role: 'user', parts: [said] }]);
    expect(await after.text()).toContain('"text":"The command said: total 0"');
  });

  it.each([
    ['no key', {}, 403],
    ['another key', { 'x-goog-api-key': 'bad' }, 400],
    ['the right key', { 'x-goog-api-key': 'good' }, 200],
  ])('status for %s', async (_name, headers, status) => {
    const url = await start({ expectKey: 'good' });
    const body = { contents: contents('hi') };
    expect((await postJson(`${url}/v1beta/models/m:generateContent`, body, headers)).status).toBe(status);
  });
});
