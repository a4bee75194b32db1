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
  const spend = (code: string, origin: string | null = api.url): Promise<Response> =>
    api.call(null, 'POST', '/signin', {
      body: `code=${code}`,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(origin === null ? {} : { origin }),
      },
    });
  const cookieOf = (answer: Response): string => (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';

  it('is by a page with a button, once', async () => {
    const code = await link();
    for (let previews = 0; previews < 3; previews += 1) {
      const preview = await api.call(null, 'GET', `/signin?code=${code}`);
      expect(preview.status).toBe(200);
      expect(await preview.text()).toContain(`value="${code}"`);
      expect(preview.headers.get('content-security-policy')).toMatch(
        /default-src 'none'.*form-action 'self'/,
      );
    }
    const answer = await spend(code);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/api/docs']);
    expect(answer.headers.get('set-cookie')).toMatch(
      /^hearth_session=[^;]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const me = await api.call(null, 'GET', '/api/me', { headers: { cookie: cookieOf(answer) } });
    expect(meSchema.parse(await me.json())).toMatchObject({ name: 'root', role: 'admin' });
    const again = await spend(code);
    expect(again.status).toBe(401);
    expect(await again.text()).toContain('This link is spent');
    expect(api.logged.join('')).not.toContain(code);
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
    expect(await refused(await spend(await link(), 'http://evil.example'))).toMatchObject({
      code: 'forbidden',
    });
  });

  it.each(['', 'x', '"><script>alert(1)</script>'])('refuses the code %j', async (code) => {
    const answer = await api.call(null, 'GET', `/signin?code=${encodeURIComponent(code)}`);
    expect(await refused(answer)).toMatchObject({ status: 400, issues: ['code'] });
  });
});
