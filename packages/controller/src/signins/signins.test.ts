import {
  HearthError,
  signinEventSchema,
  signinListSchema,
  signinSchema,
  startedSigninSchema,
  type ConfigInput,
  type GuestSignin,
  type Signin,
  type SigninId,
  type SigninState,
  type VmId,
} from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../store/database.ts';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { serverEvents } from '../test-events.ts';
import { refused } from '../test-problem.ts';
import { passingKeys, type KeyStore } from '../vault/key-store.ts';

const LINK = 'https://claude.ai/oauth/authorize?code=true';
const TOKEN = 'fake-access-NOT-A-TOKEN';
const FILE = '.claude/.credentials.json';
const fileOf = (token: string): Record<string, string> => ({
  [FILE]: JSON.stringify({
    claudeAiOauth: {
      accessToken: token,
      refreshToken: 'fake-refresh-NOT-A-TOKEN',
      expiresAt: Date.parse('2027-01-01T00:00:00.000Z'),
      subscriptionType: 'max',
    },
  }),
});

let folder: string;
let host: FakeHost;
let keys: KeyStore;
let nowMs: number;
let api: TestController;
let ana: string;
const config: ConfigInput = { signins: { timeoutMinutes: 15 } };

const startController = (): Promise<TestController> =>
  startTestController(host.socketPath, config, { now: () => new Date(nowMs) }, null, {
    database: join(folder, 'hearth.db'),
    keys,
  });
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'), { bootMs: 4 });
  keys = passingKeys();
  nowMs = Date.now();
  api = await startController();
  ana = await api.token('ana');
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const start = async (body: object = {}, token = ana): Promise<Response> =>
  api.call(token, 'POST', '/api/auth/start', { body: { provider: 'claude_code', ...body } });
const begin = async (body: object = {}): Promise<Signin & { vmId: VmId }> => {
  const answer = await start(body);
  expect(answer.status).toBe(201);
  const signin = startedSigninSchema.parse(await answer.json());
  if (signin.vmId === null) throw new Error('no VM');
  return { ...signin, vmId: signin.vmId };
};
const show = async (id: SigninId): Promise<Signin> =>
  signinSchema.parse(await (await api.call(ana, 'GET', `/api/auth/session/${id}`)).json());
const inState = async (id: SigninId, ...states: SigninState[]): Promise<Signin> => {
  await until(`${id} to be ${states.join(' or ')}`, async () => states.includes((await show(id)).state));
  return show(id);
};
const act = (id: SigninId, what: string, body?: object): Promise<Response> =>
  api.call(ana, 'POST', `/api/auth/session/${id}/${what}`, { ...(body === undefined ? {} : { body }) });
const guest = async (vmId: VmId, patch: Partial<GuestSignin>): Promise<void> => {
  await until('the login to be begun', () => host.signins.of(vmId) !== undefined);
  host.signins.change(vmId, patch);
};
const asked = async (body: object = {}): Promise<Signin & { vmId: VmId }> => {
  const signin = await begin(body);
  await guest(signin.vmId, { phase: 'awaiting_user', oauthUrl: LINK });
  await inState(signin.sessionId, 'awaiting_user');
  return signin;
};
const signedIn = async (vmId: VmId, token = TOKEN): Promise<void> => {
  host.credentials.write(vmId, 'claude_code', fileOf(token));
  await guest(vmId, { phase: 'signed_in', account: 'ana@example.com' });
};
const credentials = async (): Promise<Record<string, unknown>[]> => {
  const answer = await api.call(ana, 'GET', '/api/auth/credentials');
  return ((await answer.json()) as { credentials: Record<string, unknown>[] }).credentials;
};
const gone = (vmId: VmId): Promise<void> =>
  until(`${vmId} to be gone`, () => host.machines.get(vmId) === undefined);
/** The controller ends as by a kill: nothing of it goes on; another one starts on what was durable. */
const restart = async (): Promise<void> => {
  await api[Symbol.asyncDispose]();
  api = await startController();
  ana = await api.token('ana');
};

describe('POST /api/auth/start', () => {
  it('answers at once with the VM and its address, and leads to a credential; then the VM is gone', async () => {
    const signin = await begin();
    expect(signin).toMatchObject({ success: true, provider: 'claude_code', method: 'browser' });
    expect(signin.browserIP).toMatch(/^192\.168\.100\./);
    expect(signin.novncURL).toBe(`/vms/${signin.vmId}/desktop`);
    const waiting = await api.call(ana, 'GET', `/api/auth/session/${signin.sessionId}/oauth-url`);
    expect(waiting.status).toBe(202);
    await guest(signin.vmId, { phase: 'awaiting_user', oauthUrl: LINK, wantsCode: true });
    await inState(signin.sessionId, 'awaiting_user');
    const link = await api.call(ana, 'GET', `/api/auth/session/${signin.sessionId}/oauth-url`);
    expect([link.status, await link.json()]).toMatchObject([200, { success: true, oauthUrl: LINK }]);
    await signedIn(signin.vmId);
    const done = await inState(signin.sessionId, 'completed');
    expect(done).toMatchObject({
      account: 'ana@example.com',
      failure: null,
      novncURL: null,
      browserIP: null,
    });
    expect(done.timeline.map(({ state }) => state)).toEqual([
      ...['requested', 'starting', 'ready', 'awaiting_user', 'verifying', 'completed'],
    ]);
    await gone(signin.vmId);
    expect(await credentials()).toMatchObject([
      {
        ...{ provider: 'claude_code', kind: 'sign_in', state: 'valid', version: 1, ownerVmId: null },
        ...{ account: 'ana@example.com', expiresAt: '2027-01-01T00:00:00.000Z', refusalRate: null },
        versions: [{ version: 1, writer: { type: 'sign_in', sessionId: signin.sessionId } }],
      },
    ]);
    const stored = await api.call(ana, 'GET', `/api/auth/session/${signin.sessionId}/credentials/status`);
    expect(await stored.json()).toMatchObject({ stored: true });
    const late = await api.call(ana, 'GET', `/api/auth/session/${signin.sessionId}/oauth-url`);
    expect(await refused(late)).toMatchObject({ status: 409, code: 'signin_ended' });
    expect(host.signins.begun[0]?.order.hostTimeMs).toBe(nowMs);
  });

  it('keeps the token out of answers, logs and the database', async () => {
    const signin = await asked();
    await signedIn(signin.vmId);
    await inState(signin.sessionId, 'completed');
    await gone(signin.vmId);
    const key = 'sk-ant-fake-key-NOT-A-TOKEN';
    await api.call(ana, 'POST', '/api/auth/api-key', { body: { provider: 'opencode', apiKey: key } });
    const answers = await Promise.all(
      ['credentials', 'sessions', `session/${signin.sessionId}`].map(async (path) =>
        (await api.call(ana, 'GET', `/api/auth/${path}`)).text(),
      ),
    );
    const files = (await readdir(folder)).filter((name) => name.startsWith('hearth.db'));
    expect(files.length).toBeGreaterThan(0);
    const disk = Buffer.concat(await Promise.all(files.map((name) => readFile(join(folder, name)))));
    expect(disk.includes('ana@example.com')).toBe(true);
    for (const secret of [TOKEN, 'fake-refresh-NOT-A-TOKEN', key]) {
      for (const form of [secret, Buffer.from(secret).toString('base64').slice(4, 24)])
        expect(disk.includes(form)).toBe(false);
      expect([...answers, ...api.logged].join('\n')).not.toContain(secret);
    }
  });

  it('two at once begin one; another method is a conflict that names it', async () => {
    const answers = await Promise.all([start(), start(), start({ method: 'browser' })]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 201]);
    const ids = await Promise.all(
      answers.map(async (answer) => startedSigninSchema.parse(await answer.json()).sessionId),
    );
    expect(new Set(ids).size).toBe(1);
    expect(host.machines.list()).toHaveLength(1);
    const other = await refused(await start({ method: 'pasted_code' }));
    expect(other).toMatchObject({ status: 409, code: 'conflict' });
    expect(other.detail).toContain(ids[0]);
  });

  it('refuses what is unknown, another person’s name, and a way that the provider has not', async () => {
    expect(await refused(await start({ provider: 'nothing' }))).toMatchObject({
      status: 400,
      issues: ['provider'],
    });
    expect(await refused(await start({ method: 'device_code' }))).toMatchObject({ issues: ['method'] });
    expect(await refused(await start({ provider: 'opencode' }))).toMatchObject({
      status: 400,
      code: 'bad_request',
    });
    expect(await refused(await start({ userId: 'usr-000000000000' }))).toMatchObject({ status: 403 });
    const admin = await api.token('root', 'admin');
    expect(await refused(await start({ userId: 'usr-000000000000' }, admin))).toMatchObject({
      issues: ['userId'],
    });
    expect(host.machines.list()).toEqual([]);
  });

  it('fails in words where the host refuses, and leaves nothing under way', async () => {
    host.script.refuseCreate = new HearthError('capacity_exceeded', 'no room');
    expect(await refused(await start())).toMatchObject({ status: 503, code: 'capacity_exceeded' });
    host.script.refuseCreate = null;
    const { sessions } = signinListSchema.parse(
      await (await api.call(ana, 'GET', '/api/auth/sessions')).json(),
    );
    expect(sessions).toMatchObject([{ state: 'failed', failure: { code: 'capacity_exceeded' } }]);
    await begin();
  });

  it('shows one’s own only', async () => {
    const { sessionId } = await begin();
    const eve = await api.token('eve');
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '/oauth-url'],
      ['GET', '/credentials/status'],
      ['POST', '/cancel'],
    ] as const)
      expect(
        await refused(await api.call(eve, method, `/api/auth/session/${sessionId}${path}`)),
      ).toMatchObject({
        status: 404,
      });
    const list = signinListSchema.parse(await (await api.call(eve, 'GET', '/api/auth/sessions')).json());
    expect(list.sessions).toEqual([]);
    expect(await refused(await api.call(eve, 'GET', '/api/auth/sessions?all=true'))).toMatchObject({
      status: 403,
    });
  });
});

describe('the person’s turn', () => {
  it('hands a code to the tool, shows its words where it refuses it, and takes another one', async () => {
    const { sessionId, vmId } = await asked({ method: 'pasted_code' });
    expect(await refused(await act(sessionId, 'paste-code', { code: 'abc' }))).toMatchObject({
      code: 'signin_not_waiting',
    });
    await guest(vmId, { wantsCode: true });
    await until('the code to be wanted', async () => (await show(sessionId)).wantsCode);
    for (const code of ['', 'with space', 'é'])
      expect(await refused(await act(sessionId, 'paste-code', { code }))).toMatchObject({ status: 400 });
    expect((await act(sessionId, 'paste-code', { code: 'wrong#code' })).status).toBe(200);
    await guest(vmId, { codeRefused: 'That code wasn’t accepted.' });
    await until('the words', async () => (await show(sessionId)).codeRefused !== null);
    expect((await act(sessionId, 'paste-code', { code: ' right#code ' })).status).toBe(200);
    expect(host.signins.codes).toEqual(['wrong#code', 'right#code']);
    expect(api.logged.join('\n')).not.toContain('right#code');
  });

  it('opens the captured link, and no foreign one', async () => {
    const { sessionId } = await asked();
    expect((await act(sessionId, 'open-url', {})).status).toBe(200);
    for (const url of [
      'https://evil.example/?code=x',
      'javascript:alert(1)',
      'http://claude.ai/oauth/authorize',
      'x',
    ])
      expect(await refused(await act(sessionId, 'open-url', { url }))).toMatchObject({
        code: 'url_not_allowed',
      });
    expect(host.signins.opened).toEqual([LINK]);
  });

  it('says that the agent is away, and goes on when it is back', async () => {
    const { sessionId, vmId } = await asked();
    host.signins.refuse = new HearthError('agent_unreachable', 'no answer');
    expect(await refused(await act(sessionId, 'open-url', {}))).toMatchObject({ status: 502 });
    host.signins.restartAgent(vmId);
    host.signins.refuse = null;
    await until('the login to be begun anew', () => host.signins.begun.length === 2);
    await guest(vmId, { phase: 'awaiting_user', oauthUrl: LINK });
    await signedIn(vmId);
    await inState(sessionId, 'completed');
  });

  it('the page that closes changes nothing; another one sees it all', async () => {
    const signin = await begin();
    const page = new AbortController();
    const events = await api.call(ana, 'GET', `/api/auth/session/${signin.sessionId}/events`, {
      signal: page.signal,
    });
    for await (const { signin: seen } of serverEvents(events, signinEventSchema)) {
      expect(seen.sessionId).toBe(signin.sessionId);
      break;
    }
    page.abort();
    await guest(signin.vmId, { phase: 'awaiting_user', oauthUrl: LINK });
    const states: string[] = [];
    const again = await api.call(ana, 'GET', `/api/auth/session/${signin.sessionId}/events`);
    const reading = (async () => {
      for await (const { signin: seen } of serverEvents(again, signinEventSchema)) states.push(seen.state);
    })();
    await signedIn(signin.vmId);
    await reading;
    expect(states.at(-1)).toBe('completed');
  });
});

describe('the end', () => {
  it('F42: a cancelled sign-in deletes its own VM alone; cancelling twice is cancelling once', async () => {
    const cli = await api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } });
    const { id } = (await cli.json()) as { id: VmId };
    const { sessionId, vmId } = await asked();
    expect(await (await act(sessionId, 'cancel')).json()).toMatchObject({
      state: 'cancelled',
      oauthUrl: null,
    });
    expect((await act(sessionId, 'cancel')).status).toBe(200);
    await gone(vmId);
    expect(host.machines.get(id)?.state).toMatch(/creating|booting|ready/);
    expect(await refused(await act(sessionId, 'open-url', {}))).toMatchObject({ code: 'signin_ended' });
  });

  it('F21 F22: a completed sign-in stays so, whatever becomes of its VM', async () => {
    const { sessionId, vmId } = await asked();
    host.script.refuseRemove = new HearthError('internal', 'the removal failed');
    await signedIn(vmId);
    const done = await inState(sessionId, 'completed');
    expect(await refused(await act(sessionId, 'cancel'))).toMatchObject({ code: 'signin_ended' });
    host.machines.crash(vmId, new HearthError('vmm_failed', 'it died'));
    host.script.refuseRemove = null;
    await api.controller.reconcile.run();
    await gone(vmId);
    const { version: _version, ...rest } = done;
    expect(await show(sessionId)).toMatchObject(rest);
  });

  it('the VM dying at any state is the cause that is told; what was connected before stays', async () => {
    const first = await asked();
    await signedIn(first.vmId);
    await inState(first.sessionId, 'completed');
    const before = await credentials();
    const wreck: ((signin: Signin & { vmId: VmId }) => Promise<void>)[] = [
      async () => undefined,
      async ({ vmId }) => until('the login', () => host.signins.of(vmId) !== undefined),
      async ({ vmId, sessionId }) => {
        await guest(vmId, { phase: 'awaiting_user', oauthUrl: LINK });
        await inState(sessionId, 'awaiting_user');
      },
      async ({ vmId, sessionId }) => {
        await guest(vmId, { phase: 'verifying' });
        await inState(sessionId, 'verifying');
      },
    ];
    for (const [index, reach] of wreck.entries()) {
      host.script.holdBoot = index === 0;
      const signin = await begin();
      await reach(signin);
      host.machines.crash(signin.vmId, new HearthError('kernel_panic', 'out of memory'));
      const failed = await inState(signin.sessionId, 'failed', 'completed');
      expect(failed.failure).toMatchObject({ code: 'signin_vm_failed' });
      expect(failed.failure?.detail).toContain('out of memory');
      await gone(signin.vmId);
    }
    expect(await credentials()).toEqual(before);
  });

  it('the tool’s own failure is told in its words', async () => {
    const { sessionId, vmId } = await asked();
    const failure = {
      code: 'signin_failed',
      layer: 'provider',
      title: 'x',
      detail: 'Login failed: closed',
      hint: 'y',
    };
    await guest(vmId, { phase: 'failed', failure: { ...failure, at: new Date().toISOString() } as never });
    expect((await inState(sessionId, 'failed')).failure?.detail).toBe('Login failed: closed');
    await gone(vmId);
  });

  it('a credential that is truncated, of another form or foreign is not taken', async () => {
    for (const files of [{ [FILE]: '{"claudeAiOauth":{"acc' }, { [FILE]: '[]' }, { '.ssh/id_rsa': 'x' }]) {
      const { sessionId, vmId } = await asked();
      host.credentials.write(vmId, 'claude_code', files);
      await guest(vmId, { phase: 'signed_in' });
      expect((await inState(sessionId, 'failed', 'completed')).failure).toMatchObject({
        code: 'credential_invalid',
      });
      await gone(vmId);
    }
    expect(await credentials()).toEqual([]);
  }, 20_000);

  it('F24: whoever asks after its time sees it expired, and a new one may begin; F25: it is readable still', async () => {
    const { sessionId, vmId } = await asked();
    nowMs += 16 * 60_000;
    const expired = await show(sessionId);
    expect(expired).toMatchObject({ state: 'expired', failure: { code: 'signin_expired' } });
    await api.controller.signins.list(
      { userId: expired.userId, name: '', role: 'user', via: 'token' },
      false,
    );
    const next = await begin();
    expect(next.sessionId).not.toBe(sessionId);
    await gone(vmId);
    await api.controller.expire.run();
    expect((await show(sessionId)).state).toBe('expired');
    nowMs += 15 * 24 * 3_600_000;
    await api.controller.expire.run();
    const answer = await api.call(await api.token('ana'), 'GET', `/api/auth/session/${sessionId}`);
    expect(await refused(answer)).toMatchObject({ status: 404 });
  });
});

describe('a controller that is killed', () => {
  const reached: Record<string, (signin: Signin & { vmId: VmId }) => Promise<void>> = {
    starting: async () => undefined,
    ready: async ({ vmId }) => until('the login', () => host.signins.of(vmId) !== undefined),
    awaiting_user: async ({ vmId, sessionId }) => {
      await guest(vmId, { phase: 'awaiting_user', oauthUrl: LINK });
      await inState(sessionId, 'awaiting_user');
    },
    verifying: async ({ vmId, sessionId }) => {
      await guest(vmId, { phase: 'verifying' });
      await inState(sessionId, 'verifying');
    },
  };
  for (const [state, reach] of Object.entries(reached))
    it(`goes on with a sign-in that is ${state}, to its one end`, async () => {
      if (state === 'starting') host.script.bootMs = 100;
      const signin = await begin();
      await reach(signin);
      await restart();
      await signedIn(signin.vmId);
      await inState(signin.sessionId, 'completed');
      await gone(signin.vmId);
      expect(host.signins.begun).toHaveLength(1);
      expect(await credentials()).toMatchObject([{ version: 1 }]);
    });

  it('before the VM is known: takes the VM that was made, and makes no second one', async () => {
    const { sessionId, vmId } = await begin();
    await api.controller.close();
    // As if the answer of the host had been the last thing.
    const db = await openDatabase(join(folder, 'hearth.db'));
    await db
      .updateTable('signins')
      .set({ vm_id: null, state: 'requested', browser_ip: null })
      .where('id', '=', sessionId)
      .execute();
    await db.destroy();
    api = await startController();
    ana = await api.token('ana');
    await signedIn(vmId);
    expect((await inState(sessionId, 'completed', 'failed')).state).toBe('completed');
    expect(host.signins.begun.map((begun) => begun.vmId)).toEqual([vmId]);
  });

  it('between the end and the removal of the VM: deletes it after the restart', async () => {
    const { sessionId, vmId } = await asked();
    await api.controller.close();
    const db = await openDatabase(join(folder, 'hearth.db'));
    await db
      .updateTable('signins')
      .set({ vm_id: null, state: 'cancelled', ended_at: new Date(nowMs).toISOString() })
      .where('id', '=', sessionId)
      .execute();
    await db.destroy();
    api = await startController();
    ana = await api.token('ana');
    await gone(vmId);
    expect(await show(sessionId)).toMatchObject({ state: 'cancelled', vmId });
  });

  it('while its VM dies: fails, and is nothing else', async () => {
    const { sessionId, vmId } = await asked();
    await api.controller.close();
    host.machines.crash(vmId, new HearthError('vmm_failed', 'it died'));
    api = await startController();
    ana = await api.token('ana');
    expect((await inState(sessionId, 'failed', 'completed')).failure?.detail).toContain('it died');
  });
});
