import { createdTokenSchema, meSchema, signinLinkSchema, tokenListSchema } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestController, type TestController } from '../test-controller.ts';
import { refused } from '../test-problem.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let admin: string;
let ana: string;
let now: Date;

beforeEach(async () => {
  now = new Date('2026-01-01T00:00:00.000Z');
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, {}, { now: () => now });
  [admin, ana] = await Promise.all([api.token('root', 'admin'), api.token('ana')]);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const later = (ms: number): void => {
  now = new Date(now.getTime() + ms);
};

describe('tokens', () => {
  it('are made by administrators, shown once and kept as a hash', async () => {
    const answer = await api.call(admin, 'POST', '/api/tokens', { body: { role: 'user', user: 'eve' } });
    expect(answer.status).toBe(201);
    const { token, id } = createdTokenSchema.parse(await answer.json());
    expect(token).toMatch(/^hth_[A-Za-z0-9_-]{43}$/);
    const me = meSchema.parse(await (await api.call(token, 'GET', '/api/me')).json());
    expect(me).toMatchObject({ name: 'eve', role: 'user' });
    const rows = await api.db.selectFrom('tokens').selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain(token.slice(4));
    const list = await (await api.call(admin, 'GET', '/api/tokens')).text();
    expect(tokenListSchema.parse(JSON.parse(list)).tokens.map((entry) => entry.id)).toContain(id);
    expect(list).not.toContain(token);
    expect(api.logged.join('')).not.toContain(token);
  });

  it('of one user share the user; another role is refused', async () => {
    const make = (body: unknown): Promise<Response> => api.call(admin, 'POST', '/api/tokens', { body });
    const one = createdTokenSchema.parse(await (await make({ role: 'user', user: 'eve' })).json());
    const two = createdTokenSchema.parse(await (await make({ role: 'user', user: 'eve' })).json());
    expect(two.userId).toBe(one.userId);
    expect(await refused(await make({ role: 'admin', user: 'eve' }))).toMatchObject({ code: 'conflict' });
    expect(await refused(await make({ role: 'king', users: 'eve' }))).toMatchObject({
      issues: ['role', 'users'],
    });
    const other = createdTokenSchema.parse(await (await make({ role: 'user' })).json());
    expect(other.user).toMatch(/^user-/);
  });

  it('end: by their time, and by being revoked', async () => {
    const { token, id } = createdTokenSchema.parse(
      await (
        await api.call(admin, 'POST', '/api/tokens', {
          body: { role: 'user', user: 'eve', expiresInDays: 1 },
        })
      ).json(),
    );
    expect((await api.call(token, 'GET', '/api/me')).status).toBe(200);
    later(24 * 3_600_000);
    expect(await refused(await api.call(token, 'GET', '/api/me'))).toMatchObject({
      code: 'unauthenticated',
      detail: 'the token expired at 2026-01-02T00:00:00.000Z',
    });
    expect((await api.call(admin, 'DELETE', `/api/tokens/${id}`)).status).toBe(204);
    expect(await refused(await api.call(token, 'GET', '/api/me'))).toMatchObject({
      detail: 'the token is not known or was revoked',
    });
    expect(await refused(await api.call(admin, 'DELETE', `/api/tokens/${id}`))).toMatchObject({
      status: 404,
    });
  });

  it('are not for users', async () => {
    for (const [method, path] of [
      ['GET', '/api/tokens'],
      ['POST', '/api/tokens'],
      ['DELETE', '/api/tokens/tok-000000000000'],
      ['POST', '/api/signin-links'],
    ] as const) {
      const body = method === 'POST' && path === '/api/tokens' ? { body: { role: 'admin' } } : {};
      expect(await refused(await api.call(ana, method, path, body))).toMatchObject({ code: 'forbidden' });
    }
  });

  it.each([null, 'hth_unknown', ''])('F40: nothing is told to the token %j', async (token) => {
    const answer = await api.call(token, 'GET', '/api/me');
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    expect(await refused(answer)).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it('refuses another scheme', async () => {
    const answer = await api.call(null, 'GET', '/api/me', { headers: { authorization: 'Basic YTpi' } });
    expect((await refused(answer)).detail).toContain('Bearer <token>');
  });
});

describe('sign-in of a browser', () => {
  const link = async (): Promise<string> => {
    const answer = await api.call(admin, 'POST', '/api/signin-links');
    expect(answer.status).toBe(201);
    const { url } = signinLinkSchema.parse(await answer.json());
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:4000\/signin\?code=/);
    return new URL(url).searchParams.get('code') ?? '';
  };
  const signIn = (body: unknown, headers: Record<string, string> = { origin: api.url }): Promise<Response> =>
    api.call(null, 'POST', '/api/session', { body, headers });
  const spend = (code: string): Promise<Response> => signIn({ code });
  const cookieOf = (answer: Response): string => (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const me = (cookie: string): Promise<Response> => api.call(null, 'GET', '/api/me', { headers: { cookie } });

  it('is by the code of a link, once', async () => {
    const code = await link();
    const answer = await spend(code);
    expect(answer.status).toBe(200);
    expect(meSchema.parse(await answer.json())).toMatchObject({ name: 'root', role: 'admin' });
    expect(answer.headers.get('set-cookie')).toMatch(
      /^hearth_session=[^;]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    expect(meSchema.parse(await (await me(cookieOf(answer))).json())).toMatchObject({ name: 'root' });
    const again = await spend(code);
    expect(again.headers.get('set-cookie')).toBeNull();
    expect(await refused(again)).toMatchObject({
      status: 401,
      code: 'unauthenticated',
      hint: '`hearth link` prints a new one.',
    });
    expect(api.logged.join('')).not.toContain(code);
  });

  it('is by a token', async () => {
    const answer = await signIn({ token: ana });
    expect(meSchema.parse(await answer.json())).toMatchObject({ name: 'ana', role: 'user' });
    expect(meSchema.parse(await (await me(cookieOf(answer))).json())).toMatchObject({ name: 'ana' });
    expect(await refused(await signIn({ token: 'hth_wrong' }))).toMatchObject({ code: 'unauthenticated' });
    expect(api.logged.join('')).not.toContain(ana);
  });

  it('ends when it is told to, also twice, and only by our own pages', async () => {
    const cookie = cookieOf(await spend(await link()));
    const end = (headers: Record<string, string>): Promise<Response> =>
      api.call(null, 'DELETE', '/api/session', { headers });
    expect(await refused(await end({ cookie, origin: 'http://evil.example' }))).toMatchObject({
      code: 'forbidden',
    });
    expect((await me(cookie)).status).toBe(200);
    for (let times = 0; times < 2; times += 1) {
      const answer = await end({ cookie, origin: api.url });
      expect(answer.status).toBe(204);
      expect(answer.headers.get('set-cookie')).toMatch(/^hearth_session=; .*Expires=Thu, 01 Jan 1970/);
    }
    expect((await me(cookie)).status).toBe(401);
    expect(await api.db.selectFrom('sessions').selectAll().execute()).toEqual([]);
    expect((await end({})).status).toBe(204);
  });

  it('ends by time: the link’s and the session’s', async () => {
    const code = await link();
    later(15 * 60_000);
    expect((await spend(code)).status).toBe(401);
    const cookie = cookieOf(await spend(await link()));
    later(12 * 3_600_000 - 1);
    expect((await api.call(null, 'GET', '/api/me', { headers: { cookie } })).status).toBe(200);
    later(1);
    expect(await refused(await api.call(null, 'GET', '/api/me', { headers: { cookie } }))).toMatchObject({
      status: 401,
      detail: 'the sign-in of this browser is over',
    });
  });

  it('lets only our own pages change something', async () => {
    const cookie = cookieOf(await spend(await link()));
    const make = (headers: Record<string, string>): Promise<Response> =>
      api.call(null, 'POST', '/api/vms', { body: { kind: 'cli' }, headers: { cookie, ...headers } });
    expect(await refused(await make({}))).toMatchObject({ code: 'forbidden' });
    expect(await refused(await make({ origin: 'http://evil.example' }))).toMatchObject({ code: 'forbidden' });
    expect(await refused(await make({ origin: 'null' }))).toMatchObject({ code: 'forbidden' });
    expect(host.machines.list()).toEqual([]);
    expect((await make({ origin: api.url })).status).toBe(201);
  });

  it('is not started by another site', async () => {
    const answer = await signIn({ code: await link() }, { origin: 'http://evil.example' });
    expect(await refused(answer)).toMatchObject({ code: 'forbidden' });
    // A program names no origin.
    expect((await signIn({ code: await link() }, {})).status).toBe(200);
  });

  it.each([
    {},
    { code: '' },
    { code: 'x' },
    { code: '"><script>' },
    { token: '' },
    { token: 1 },
    { pin: 'x' },
  ])('refuses %j', async (body) => {
    expect(await refused(await signIn(body))).toMatchObject({ status: 400, code: 'bad_request' });
  });
});
