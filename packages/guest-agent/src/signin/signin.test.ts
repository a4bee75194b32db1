import {
  guestSigninSchema,
  problemSchema,
  readEvents,
  type GuestSignin,
  type Login,
  type LoginSign,
  type Provider,
} from '@hearth/contract';
import { execFile } from 'node:child_process';
import { lstat, mkdtemp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { LoginUser } from '../exec/login-user.ts';
import { FAKE_TOKEN, fakeFile, fakeProvider } from '../testing/fake-provider.ts';
import { IDENTITY, SEED, startTestAgent, TOKEN, type TestAgent } from '../testing/start-test-agent.ts';

const OPEN_URL = resolve(import.meta.dirname, '../../../../image/rootfs/usr/lib/hearth/open-url');
const SESSION = 'sgn-000000000001';
const { uid, gid } = userInfo();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** What the fake tool's words mean. */
function readOutput(text: string): LoginSign[] {
  const signs: LoginSign[] = [];
  for (const [, url = ''] of text.matchAll(/Open: (\S+)/g)) signs.push({ type: 'url', url });
  const device = /Enter (\S+) at (\S+)/.exec(text);
  if (device !== null) signs.push({ type: 'device_code', code: device[1] ?? '', url: device[2] ?? '' });
  if (text.includes('Trust this? (y/n)')) signs.push({ type: 'answer', question: 'trust', keys: 'y\r' });
  if (text.includes('Paste code:')) signs.push({ type: 'code_wanted' });
  for (const [words] of text.matchAll(/Wrong code: .*/g)) signs.push({ type: 'code_refused', words });
  if (text.includes('Blocked')) signs.push({ type: 'failed', words: 'Blocked by the vendor' });
  return signs;
}

interface Bench {
  agent: TestAgent;
  home: string;
  root: string;
  opened: string[];
  logged: string[];
  order: (more?: object) => Promise<Response>;
  now: () => Promise<GuestSignin>;
  until: (fits: (signin: GuestSignin) => boolean) => Promise<GuestSignin>;
  post: (path: string, body?: object) => Promise<Response>;
}

/** @param script of the tool's login; in it $HOME is the home */
async function bench(
  script: string,
  {
    login = {},
    status = 'test -s "$HOME/.fake/auth.json"',
    link,
  }: {
    login?: Partial<Login>;
    status?: string;
    link?: Provider['credential']['link'];
  } = {},
): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'hearth-signin-'));
  cleanups.push(() => rm(root, { recursive: true, force: true }));
  const home = join(root, 'home');
  await mkdir(home);
  await writeFile(join(root, 'tool'), script);
  const user = (name: LoginUser['name']): LoginUser => ({
    ...{ name, uid, gid, home, shell: '/bin/sh', path: '/usr/local/bin:/usr/bin:/bin' },
  });
  const opened: string[] = [];
  const devtools = await startDevtools(opened);
  const linkSocket = join(root, 'open', 'socket');
  const logged: string[] = [];
  const agent = await startTestAgent({
    users: { hearth: user('hearth'), root: user('root') },
    desktop: {
      devtoolsPort: (devtools.address() as AddressInfo).port,
      linkSocket,
      env: { BROWSER: OPEN_URL, HEARTH_OPEN_SOCKET: linkSocket },
    },
    providers: {
      codex: fakeProvider(link, { command: ['sh', join(root, 'tool')], readOutput, ...login }, [
        'sh',
        '-c',
        status,
      ]),
    },
    log: (message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`),
  });
  cleanups.push(() => agent[Symbol.asyncDispose]());
  agent.host.send({
    ...{ type: 'configure', id: 1, identity: { ...IDENTITY, kind: 'browser' }, token: TOKEN },
    display: { geometry: { width: 1280, height: 720 }, vncPassword: 'password' },
    ...{ seed: SEED, caCertificates: [], hostTimeMs: Date.now() },
  });
  expect(await agent.host.reply(1)).toMatchObject({ ok: true });
  const json = { 'content-type': 'application/json' };
  const now = async () => guestSigninSchema.parse(await (await agent.call('/signin')).json());
  return {
    ...{ agent, home, root, opened, logged, now },
    order: (more = {}) => {
      const body = {
        sessionId: SESSION,
        provider: 'codex',
        method: 'browser',
        hostTimeMs: Date.now(),
        ...more,
      };
      return agent.call('/signin', { method: 'PUT', headers: json, body: JSON.stringify(body) });
    },
    until: async (fits) => {
      await expect.poll(async () => fits(await now()), { timeout: 8000 }).toBe(true);
      return now();
    },
    post: (path, body = {}) =>
      agent.call(`/signin/${path}`, { method: 'POST', headers: json, body: JSON.stringify(body) }),
  };
}

async function startDevtools(opened: string[]): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.method === 'PUT') opened.push(decodeURIComponent((request.url ?? '').split('?')[1] ?? ''));
    response.end('{}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  cleanups.push(() => server.close());
  return server;
}

async function filesWith(folder: string, word: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && (await readFile(path, 'latin1')).includes(word)) found.push(path);
  }
  return found;
}

const problem = async (response: Response) => problemSchema.parse(await response.json()).code;
const LINK =
  'https://auth.example.org/authorize?state=abc&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Fcallback';
const BY_BROWSER = `
"$BROWSER" '${LINK}' && echo 'browser opened'
echo 'Open: https://auth.example.org/manual?x=1'
while [ ! -e "$HOME/callback" ]; do sleep 0.05; done
printf '{"tok' > "$HOME/.fake/auth.json"
sleep 0.3
printf '%s' '${fakeFile()}' > "$HOME/.fake/auth.json"
echo 'Signed in with ${FAKE_TOKEN}'
`;

describe('a sign-in by browser', () => {
  it('opens the link on the desktop, waits for the credential, asks the tool, and hands it out', async () => {
    const { agent, home, opened, order, until, now, post, logged } = await bench(BY_BROWSER);
    expect((await agent.call('/signin')).status).toBe(404);
    expect((await agent.call('/signin/events')).status).toBe(404);
    const response = await order();
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ sessionId: SESSION, phase: 'starting', oauthUrl: null });
    const waiting = await until(({ words }) => words.includes('browser opened'));
    expect(waiting).toMatchObject({ phase: 'awaiting_user', oauthUrl: LINK, wantsCode: false });
    expect(opened).toEqual([LINK]);
    // The same session again is no second one; another has to wait.
    expect((await order()).status).toBe(200);
    const other = await order({ sessionId: 'sgn-000000000002' });
    expect([other.status, await problem(other)]).toEqual([409, 'conflict']);
    await writeFile(join(home, 'callback'), '');
    const done = await until(({ phase }) => phase === 'signed_in');
    expect(done).toMatchObject({ account: 'ada@example.org', failure: null });
    expect(done.words).not.toContain(FAKE_TOKEN);
    // Never on a disk: the home's file is a link into the tmpfs, which this folder stands for.
    expect((await lstat(join(home, '.fake/auth.json'))).isSymbolicLink()).toBe(true);
    expect(await filesWith(home, FAKE_TOKEN)).toEqual([]);
    await agent.host.until(
      (message) => message.type === 'credentials' && message.credentials[0]?.version === 0,
    );
    agent.host.send({ type: 'credential-get', id: 7, provider: 'codex' });
    expect((await agent.host.reply(7)).data).toMatchObject({ kind: 'sign_in', version: 0 });
    agent.host.send({ type: 'credential-drop', id: 8, provider: 'codex' });
    expect(JSON.stringify((await agent.host.reply(8)).data)).toContain(
      Buffer.from(fakeFile()).toString('base64'),
    );
    expect(logged.join('\n')).not.toContain('NOT-A-TOKEN');
    expect((await now()).phase).toBe('signed_in');
    expect(await problem(await post('code', { code: 'abcd' }))).toBe('signin_ended');
    expect(await problem(await post('open-url'))).toBe('signin_ended');
  });

  it('F32: works for a tool that asks its terminal where the cursor is', async () => {
    const { order, until } = await bench(
      `stty raw -echo; printf '\\033[6n'; answer=$(head -c 6); stty sane
       [ "$answer" = "$(printf '\\033[1;1R')" ] || exit 9
       printf '%s' '${fakeFile()}' > "$HOME/.fake/auth.json"`,
    );
    await order();
    await until(({ phase }) => phase === 'signed_in');
  });

  it('takes the printed link where the tool opens no browser', { timeout: 15_000 }, async () => {
    const { order, until, opened } = await bench(`echo 'Open: ${LINK}'; sleep 60`);
    await order();
    await until(({ oauthUrl }) => oauthUrl === LINK);
    await expect.poll(() => opened, { timeout: 10_000 }).toEqual([LINK]);
  });

  it('keeps a folder that is linked as a whole off the disk, too', async () => {
    const { home, order, until } = await bench(
      `printf '%s' '${fakeFile()}' > "$HOME/.fake/x"; mv "$HOME/.fake/x" "$HOME/.fake/auth.json"`,
      { link: { type: 'folder', folder: '.fake' } },
    );
    await order();
    await until(({ phase }) => phase === 'signed_in');
    expect(await filesWith(home, FAKE_TOKEN)).toEqual([]);
  });

  it('never opens a link that is not of the sign-in, says so, and tells the program', async () => {
    const { order, until, opened, post } = await bench(
      `"$BROWSER" 'https://evil.example.net/login?secret=1' || echo "refused with $?"; echo 'Open: ${LINK}'; sleep 60`,
    );
    await order();
    const { words } = await until((signin) => signin.words.includes('refused with 4'));
    expect(words).toContain('no page of this sign-in: https://evil.example.net');
    expect(words).not.toContain('secret=1');
    await until(({ oauthUrl }) => oauthUrl === LINK);
    expect(await problem(await post('open-url', { url: 'https://evil.example.net/' }))).toBe(
      'url_not_allowed',
    );
    expect(await problem(await post('open-url', { url: 'file:///etc/passwd' }))).toBe('url_not_allowed');
    expect(opened).toEqual([]);
    expect((await post('open-url')).status).toBe(200);
    expect(opened).toEqual([LINK]);
  });

  it('tells each change as it comes, and ends with the sign-in', async () => {
    const { agent, home, order } = await bench(BY_BROWSER);
    await order();
    const { body } = await agent.call('/signin/events');
    const phases: string[] = [];
    for await (const signin of readEvents(body as unknown as AsyncIterable<Uint8Array>, guestSigninSchema)) {
      if (phases.at(-1) !== signin.phase) phases.push(signin.phase);
      if (signin.oauthUrl !== null) await writeFile(join(home, 'callback'), '');
    }
    expect(phases.filter((phase) => phase !== 'starting')).toEqual([
      'awaiting_user',
      'verifying',
      'signed_in',
    ]);
  });

  it.each([
    ['ends with an error', 'echo "no network here"; exit 7', 'code 7: no network here'],
    ['ends without a credential', 'echo "bye"', 'ended without a sign-in: bye'],
    ['leaves half a credential', `printf '{"tok' > "$HOME/.fake/auth.json"`, 'ended without a sign-in'],
    ['says that it is blocked', 'echo Blocked; sleep 60', 'Blocked by the vendor'],
  ])('fails with the tool’s own words where it %s', async (_what, script, words) => {
    const { root, order, until, agent } = await bench(script);
    await order();
    const { phase, failure } = await until((signin) => signin.failure !== null);
    expect([phase, failure?.code]).toEqual(['failed', 'signin_failed']);
    expect(failure?.detail).toContain(words);
    await expect
      .poll(() => filesWith(root, '{"tok'))
      .toEqual([join(root, 'tool')].filter(() => script.includes('{"tok')));
    expect(agent.host.messages.filter((message) => message.type === 'credentials').at(-1)).toEqual({
      ...{ type: 'credentials', credentials: [] },
    });
  });

  it('F22: fails where the tool’s own status does not agree, and keeps nothing', async () => {
    const { home, order, until } = await bench(`printf '%s' '${fakeFile()}' > "$HOME/.fake/auth.json"`, {
      status: 'echo "Not logged in"; exit 1',
    });
    await order();
    const { failure } = await until(({ phase }) => phase === 'failed');
    expect(failure?.detail).toContain('Not logged in');
    await expect.poll(() => readdir(join(home, '.fake'))).toEqual([]);
  });

  it('names a tool that is not there', async () => {
    const { order, until } = await bench('', { login: { command: ['no-such-tool', 'login'] } });
    await order();
    expect((await until(({ phase }) => phase === 'failed')).failure).toMatchObject({
      ...{ code: 'exec_failed', detail: 'the program no-such-tool was not found (ENOENT)' },
    });
  });

  it('can be cancelled; the tool ends, nothing stays, and another may begin', async () => {
    const { home, order, until, post } = await bench(
      `echo $$ > "$HOME/pid"; echo 'Open: ${LINK}'; trap '' HUP; while :; do sleep 1; done`,
    );
    await order();
    await until(({ phase }) => phase === 'awaiting_user');
    expect(await (await post('cancel')).json()).toMatchObject({ phase: 'cancelled', failure: null });
    expect(await (await post('cancel')).json()).toMatchObject({ phase: 'cancelled' });
    const pid = Number(await readFile(join(home, 'pid'), 'utf8'));
    await expect.poll(() => isRunning(pid), { timeout: 8000 }).toBe(false);
    expect((await order({ sessionId: 'sgn-000000000003' })).status).toBe(201);
    await until(({ phase }) => phase === 'awaiting_user');
  });

  it('sets a clock that is wrong first, and says so', async () => {
    const { agent, order, until } = await bench('sleep 60');
    agent.calls.length = 0;
    await order({ hostTimeMs: Date.now() + 3_600_000 });
    await until(({ words }) => words.includes('clock of this VM was 3600 s slow'));
    expect(agent.calls.filter((call) => call.startsWith('clock'))).toHaveLength(1);
  });

  it('refuses what it can’t do', async () => {
    const { order, post } = await bench('sleep 60', {
      login: { files: [{ path: '.fake/settings', text: '{}' }] },
    });
    expect(await problem(await order({ provider: 'gemini_cli' }))).toBe('bad_request');
    expect(await problem(await order({ method: 'api_key' }))).toBe('bad_request');
    expect(await problem(await post('cancel'))).toBe('not_found');
    await order();
    expect(await problem(await post('open-url'))).toBe('signin_not_waiting');
    expect(await problem(await post('code', { code: 'abcd' }))).toBe('signin_not_waiting');
    expect(await problem(await post('code', { code: 'with space\r' }))).toBe('bad_request');
  });
});

describe('a sign-in by device code', () => {
  it('shows code and link, and answers the tool’s questions', async () => {
    const { order, until } = await bench(
      `printf 'Trust this? (y/n) '; read -r answer; [ "$answer" = y ] || exit 8
       echo 'Enter ABCD-12345 at https://auth.example.org/device'; sleep 0.5
       printf '%s' '${fakeFile()}' > "$HOME/.fake/auth.json"`,
      { login: { browser: 'none' } },
    );
    await order({ method: 'device_code' });
    const asked = await until(({ userCode }) => userCode !== null);
    expect(asked).toMatchObject({ userCode: 'ABCD-12345', oauthUrl: 'https://auth.example.org/device' });
    await until(({ phase }) => phase === 'signed_in');
  });
});

describe('a sign-in by pasted code', () => {
  const ASK = `printf 'Paste code: '; read -r code
    if [ "$code" != fake-right#state ]; then echo "Wrong code: $code is not it"; `;
  const TAKE = `printf '%s' '${fakeFile()}' > "$HOME/.fake/auth.json"`;

  it('shows the tool’s words on a wrong code, never the code, and asks again', async () => {
    const { order, until, post, logged } = await bench(
      `echo 'Open: ${LINK}'; while :; do ${ASK} else break; fi; done; ${TAKE}`,
      { login: { browser: 'none' } },
    );
    await order({ method: 'pasted_code' });
    await until(({ wantsCode, oauthUrl }) => wantsCode && oauthUrl === LINK);
    for (let time = 0; time < 2; time++) {
      expect(await (await post('code', { code: 'fake-wrong#code' })).json()).toMatchObject({
        ...{ wantsCode: false, codeRefused: null },
      });
      const refused = await until(({ codeRefused }) => codeRefused !== null);
      expect(refused).toMatchObject({ wantsCode: true, codeRefused: 'Wrong code: [redacted] is not it' });
      expect(JSON.stringify(refused)).not.toContain('fake-wrong');
    }
    await post('code', { code: 'fake-right#state' });
    const done = await until(({ phase }) => phase === 'signed_in');
    expect(JSON.stringify(done)).not.toContain('fake-right');
    expect(logged.join('\n')).not.toMatch(/fake-(right|wrong)/);
  });

  it('begins anew where a wrong code ends the tool: a new link, the refusal still shown', async () => {
    const { order, until, post, home } = await bench(
      `echo x >> "$HOME/tries"; echo "Open: https://auth.example.org/try$(grep -c x "$HOME/tries")"
       ${ASK} exit 1; fi; ${TAKE}`,
      { login: { browser: 'none', restartAfterRefusal: true } },
    );
    await order({ method: 'pasted_code' });
    await until(({ wantsCode, oauthUrl }) => wantsCode && oauthUrl === 'https://auth.example.org/try1');
    await post('code', { code: 'fake-wrong#code' });
    const again = await until(({ wantsCode, oauthUrl }) => wantsCode && oauthUrl?.endsWith('try2') === true);
    expect(again).toMatchObject({ phase: 'awaiting_user', codeRefused: 'Wrong code: [redacted] is not it' });
    await post('code', { code: 'fake-right#state' });
    await until(({ phase }) => phase === 'signed_in');
    expect((await readFile(join(home, 'tries'), 'utf8')).trim().split('\n')).toHaveLength(2);
  });

  it('opens nothing on the desktop: the person is elsewhere', async () => {
    const { order, until, opened } = await bench(
      `HEARTH_OPEN_SOCKET="$HOME/../open/socket" ${OPEN_URL} '${LINK}' || echo "refused with $?"; sleep 60`,
      { login: { browser: 'none' } },
    );
    await order({ method: 'pasted_code' });
    expect(await until(({ words }) => words.includes('refused with 4'))).toMatchObject({ oauthUrl: null });
    expect(opened).toEqual([]);
  });
});

describe('open-url', () => {
  const open = (socket: string, url: string) =>
    promisify(execFile)(OPEN_URL, [url], { env: { PATH: '/usr/bin:/bin', HEARTH_OPEN_SOCKET: socket } }).then(
      () => 'opened',
      (error: unknown) => (error as { stderr: string }).stderr.trim(),
    );

  it('opens pages of a sign-in also where none is under way, and nothing else', async () => {
    const { root, opened } = await bench('');
    const socket = join(root, 'open', 'socket');
    expect(await open(socket, LINK)).toBe('opened');
    expect(await open(socket, 'https://evil.example.net/')).toContain('no page of a sign-in');
    expect(await open(socket, 'no link; $(touch x)')).toBe('that is no link');
    expect(await open(socket, '')).toBe('that is no link');
    expect(opened).toEqual([LINK]);
  });

  it('says where to open it in a VM without a desktop', async () => {
    expect(await open('/nowhere/socket', LINK)).toContain('in your own browser');
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
