import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createdTokenSchema, problemSchema, vmListSchema, vmSchema, type Signin } from '@hearth/contract';
import { countTraces } from '@hearth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser, signIn, watchPage } from './browser.ts';
import { userApi, type UserApi } from './signin/api.ts';
import { beginSignIn, pressAuthorize, untilAuthorizePage } from './signin/drive-sign-in.ts';
import { personAt, type Person } from './signin/person.ts';
import { searchForSecret } from './signin/search-for-secret.ts';
import { openSigninLab, type SigninLab } from './signin/signin-lab.ts';

/** An emulated guest starts a tool in seconds, or in half a minute. */
const SLOW_MS = 240_000;
const KEY = 'sk-ant-fake-0123456789-NOT-A-KEY';

let site: SigninLab;
let person: Person;
let folder: string;
beforeAll(async () => {
  site = await openSigninLab();
  person = personAt(site.world);
  folder = await mkdtemp(join(tmpdir(), 'hearth-signin-'));
}, 900_000);
afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Somebody who is no administrator, and has connected nothing. */
async function newUser(name: string): Promise<UserApi & { token: string }> {
  const { token } = createdTokenSchema.parse(
    await site.lab.json(['token', 'create', '--role', 'user', '--user', name]),
  );
  return { ...userApi(site.lab, token), token };
}

async function vmIsGone(vmId: string): Promise<void> {
  await expect
    .poll(async () => vmSchema.parse(await (await site.lab.fetch(`/api/vms/${vmId}`)).json()).state, {
      timeout: 60_000,
    })
    .toBe('deleted');
}

describe('codex', () => {
  test('signs in by device code from a shell, runs a prompt with a tool call, and the browser VM is gone', async () => {
    const { token, ...api } = await newUser('dora');
    const shell = site.lab.start(['signin', 'codex', '--method', 'device_code'], { HEARTH_TOKEN: token });
    let said = '';
    for (const stream of [shell.stdout, shell.stderr])
      stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await expect
      .poll(() => /[A-Z0-9]{4}-[A-Z0-9]{5}/.exec(said)?.[0] ?? said, { timeout: SLOW_MS })
      .toMatch(/^[A-Z0-9]{4}-[A-Z0-9]{5}$/);
    const code = /[A-Z0-9]{4}-[A-Z0-9]{5}/.exec(said)?.[0] ?? '';
    await person.enterDeviceCode('https://auth.openai.com/codex/device', code);
    await expect.poll(() => shell.exitCode, { timeout: SLOW_MS, message: said }).toBe(0);
    expect(said).toMatch(/connected/i);
    expect(said).not.toContain(site.canary);

    const credential = await api.credential('codex');
    expect(credential).toMatchObject({ kind: 'sign_in', state: 'valid', version: 1 });
    const { sessions } = (await (await api.call('GET', '/api/auth/sessions')).json()) as {
      sessions: Signin[];
    };
    expect(sessions).toMatchObject([{ state: 'completed', provider: 'codex' }]);
    await vmIsGone(sessions[0]?.vmId ?? '');

    const { run, events, text } = await api.run({
      provider: 'codex',
      prompt: 'run: echo made by the tool > made.txt',
    });
    expect(run).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, index) => index));
    expect(events.some(({ type }) => type === 'tool')).toBe(true);
    expect(run.changes).toEqual([{ path: 'made.txt', change: 'added' }]);
    expect(text).not.toBe('');
  });
});

test('codex signs in on the desktop, driven through the page', async () => {
  await using browser = await openBrowser({ viewport: { width: 1280, height: 1000 } });
  const page = await signIn(browser.context, site.lab);
  await page.getByRole('link', { name: 'Connect', exact: true }).click();
  await beginSignIn(page, 'Codex');
  await untilAuthorizePage(site.world, 'auth.openai.com');
  await pressAuthorize(page, site.world, 'auth.openai.com');
  await page.getByRole('heading', { name: 'Connected', exact: true }).waitFor({ timeout: SLOW_MS });
});

describe('gemini_cli', () => {
  test('takes a pasted code, and its run calls a tool', async () => {
    const api = await newUser('gina');
    const { sessionId } = await api.start({ provider: 'gemini_cli', method: 'pasted_code' });
    const { oauthUrl } = await api.signinWhen(sessionId, (now) => now.wantsCode && now.oauthUrl !== null);
    const code = await person.authorizeForCode(oauthUrl ?? '');
    await api.call('POST', `/api/auth/session/${sessionId}/paste-code`, { code });
    expect(await api.signinWhen(sessionId, () => false)).toMatchObject({ state: 'completed', failure: null });
    const { run, events } = await api.run({ provider: 'gemini_cli', prompt: 'run: echo made > made.txt' });
    expect(run).toMatchObject({ state: 'succeeded', changes: [{ path: 'made.txt', change: 'added' }] });
    expect(events.some(({ type }) => type === 'tool')).toBe(true);
  });
});

describe('claude_code', () => {
  test('in a browser: connect, sign in on the desktop, Connected, run a prompt, open the terminal', async () => {
    await using browser = await openBrowser({ viewport: { width: 1280, height: 1000 } });
    const page = await signIn(browser.context, site.lab);
    page.setDefaultTimeout(60_000);
    const found = watchPage(page, site.lab.url);
    await page.getByRole('link', { name: 'Connect', exact: true }).click();
    await beginSignIn(page, 'Claude Code');
    await untilAuthorizePage(site.world, 'claude.com');
    await pressAuthorize(page, site.world, 'claude.com');
    await page.getByRole('heading', { name: 'Connected', exact: true }).waitFor({ timeout: SLOW_MS });

    await page.getByRole('link', { name: 'Run a prompt' }).click();
    await page.getByLabel('Prompt').fill('run: echo from the page > page.txt');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('heading', { name: 'Changed files' }).waitFor({ timeout: SLOW_MS });
    await page.getByText('page.txt').first().waitFor();

    await page.getByRole('link', { name: 'Terminal', exact: true }).click();
    await page.getByRole('button', { name: 'New shell' }).click();
    const terminal = page.getByRole('textbox', { name: /^Terminal/ });
    await terminal.waitFor({ timeout: SLOW_MS });
    await terminal.focus();
    await page.keyboard.type('cat work/page.txt; echo $((6 * 7))', { delay: 20 });
    await page.keyboard.press('Enter');
    await page.locator('.xterm-rows', { hasText: '42' }).waitFor({ timeout: SLOW_MS });
    await page.locator('.xterm-rows', { hasText: 'from the page' }).waitFor();
    expect(found).toEqual({ foreign: [], complaints: [] });
  });

  test('takes a pasted code: a wrong one is refused in its own words, then the right one connects', async () => {
    const api = userApi(site.lab, await tokenOf('paula'));
    const started = await api.start({ provider: 'claude_code', method: 'pasted_code' });
    expect(started.browserIP).toMatch(/^192\.168\.100\./);
    const again = await api.start({ provider: 'claude_code', method: 'pasted_code' });
    expect(again.sessionId).toBe(started.sessionId);
    const waiting = await api.signinWhen(
      started.sessionId,
      ({ wantsCode, oauthUrl }) => wantsCode && oauthUrl !== null,
    );
    expect(waiting.state).toBe('awaiting_user');

    const foreign = await api.call('POST', `/api/auth/session/${started.sessionId}/open-url`, {
      url: 'https://example.com/steal',
    });
    expect(problemSchema.parse(await foreign.json()).code).toBe('url_not_allowed');

    await api.call('POST', `/api/auth/session/${started.sessionId}/paste-code`, { code: 'wrong#code' });
    const refused = await api.signinWhen(started.sessionId, ({ codeRefused }) => codeRefused !== null);
    expect(refused.codeRefused).not.toBe('');
    const ready = await api.signinWhen(
      started.sessionId,
      ({ wantsCode, oauthUrl }) => wantsCode && oauthUrl !== null,
    );
    const code = await person.authorizeForCode(ready.oauthUrl ?? '');
    const pasted = await api.call('POST', `/api/auth/session/${started.sessionId}/paste-code`, { code });
    expect(pasted.status).toBeLessThan(300);
    const done = await api.signinWhen(started.sessionId, () => false);
    expect(done).toMatchObject({ state: 'completed', failure: null });
    expect(JSON.stringify(done)).not.toContain(site.canary);
    await vmIsGone(started.vmId ?? '');
  });

  test('a refresh that the tool writes down in one VM is there in the next, and a used refresh token is nobody’s', async () => {
    const api = userApi(site.lab, await tokenOf('paula'));
    const first = await api.run({ provider: 'claude_code', prompt: 'hello' });
    expect(first.run).toMatchObject({ state: 'succeeded' });
    await site.world.tell('anthropic/expire-access-tokens');
    const second = await api.run({ provider: 'claude_code', prompt: 'hello again' });
    expect(second.run).toMatchObject({ state: 'succeeded' });
    await expect
      .poll(async () => (await api.credential('claude_code'))?.version, { timeout: 30_000 })
      .toBe(2);
    expect(await api.credential('claude_code')).toMatchObject({
      versions: [{ writer: { type: 'vm', vmId: second.run.vmId } }, { writer: { type: 'sign_in' } }],
    });
    await api.call('DELETE', `/api/vms/${second.run.vmId ?? ''}?wait=true`);
    await site.world.tell('anthropic/expire-access-tokens');
    const third = await api.run({ provider: 'claude_code', prompt: 'and again' });
    expect(third.run).toMatchObject({ state: 'succeeded' });
    expect(third.run.vmId).not.toBe(second.run.vmId);
    await expect
      .poll(async () => (await api.credential('claude_code'))?.version, { timeout: 30_000 })
      .toBe(3);
  });

  test('continues a conversation, and calls a tool whose changes are shown', async () => {
    const api = userApi(site.lab, await tokenOf('paula'));
    const first = await api.run({ provider: 'claude_code', prompt: 'run: echo made by the tool > made.txt' });
    expect(first.run).toMatchObject({ state: 'succeeded' });
    expect(first.events.some(({ type }) => type === 'tool')).toBe(true);
    expect(first.run.changes).toEqual([{ path: 'made.txt', change: 'added' }]);
    const { sessionId } = first.run;
    if (sessionId === null) throw new Error('the run has no conversation');
    const second = await api.run({ provider: 'claude_code', prompt: 'go on', sessionId });
    expect(second.run).toMatchObject({ state: 'succeeded', vmId: first.run.vmId });
  });

  test('repeated refusals pause runs, once; a new sign-in lets them go on', async () => {
    const api = userApi(site.lab, await tokenOf('paula'));
    await site.world.tell('anthropic/revoke');
    for (let round = 0; round < 2; round += 1)
      expect((await api.run({ provider: 'claude_code', prompt: 'hello' })).run).toMatchObject({
        state: 'failed',
        failure: { code: 'needs_login' },
      });
    expect(await api.credential('claude_code')).toMatchObject({ state: 'refused', refusals: 2 });
    const waiting = await api.call('POST', '/api/runs', { provider: 'claude_code', prompt: 'wait' });
    const { id } = (await waiting.json()) as { id: string };
    const stateOf = async (): Promise<string> =>
      ((await (await api.call('GET', `/api/runs/${id}`)).json()) as { state: string }).state;
    await expect.poll(stateOf).toBe('paused');
    const { sessionId } = await api.start({ provider: 'claude_code', method: 'pasted_code' });
    const { oauthUrl } = await api.signinWhen(sessionId, (now) => now.wantsCode && now.oauthUrl !== null);
    const code = await person.authorizeForCode(oauthUrl ?? '');
    await api.call('POST', `/api/auth/session/${sessionId}/paste-code`, { code });
    expect(await api.signinWhen(sessionId, () => false)).toMatchObject({ state: 'completed' });
    await expect.poll(stateOf, { timeout: SLOW_MS }).toBe('succeeded');
  });
});

test('an API key is an equal choice: stored from a file, used by a run, in no answer', async () => {
  const { token, ...api } = await newUser('kim');
  const file = join(folder, 'key');
  await writeFile(file, `${KEY}\n`, { mode: 0o600 });
  const env = { HEARTH_TOKEN: token };
  const stored = await site.lab.cli(['credentials', 'set-key', 'claude_code', '--api-key-file', file], {
    env,
  });
  expect(stored).toMatchObject({ exitCode: 0 });
  expect(stored.stdout + stored.stderr).not.toContain(KEY);
  const said = await site.lab.cli(['run', 'claude_code', 'hello'], { env, timeoutMs: SLOW_MS });
  expect(said).toMatchObject({ exitCode: 0 });
  expect(said.stdout).not.toBe('');
  expect(JSON.stringify(await api.credential('claude_code'))).not.toContain(KEY);
});

describe('faults', () => {
  test('the VM dies while the person signs in: it failed, in words, and the person’s other VMs stay (F42)', async () => {
    const api = await newUser('vera');
    const other = vmSchema.parse(await (await api.call('POST', '/api/vms', { kind: 'cli' })).json());
    const { sessionId, vmId } = await api.start({ provider: 'claude_code' });
    await api.signinWhen(sessionId, ({ oauthUrl }) => oauthUrl !== null);
    process.kill(await vmmOf(vmId ?? ''), 'SIGKILL');
    const ended = await api.signinWhen(sessionId, () => false);
    expect(ended).toMatchObject({ state: 'failed', failure: { code: 'signin_vm_failed' } });
    await vmIsGone(vmId ?? '');
    const { vms } = vmListSchema.parse(await (await api.call('GET', '/api/vms')).json());
    expect(vms.filter(({ state }) => state !== 'deleted').map(({ id }) => id)).toEqual([other.id]);
    await api.call('DELETE', `/api/vms/${other.id}?wait=true`);
  });

  test('the controller is killed while the person signs in: the sign-in goes on and completes', async () => {
    const api = await newUser('carl');
    const { sessionId, vmId } = await api.start({ provider: 'codex', method: 'device_code' });
    const waiting = await api.signinWhen(sessionId, ({ userCode }) => userCode !== null);
    process.kill(await site.lab.pid('controller'), 'SIGKILL');
    await person.enterDeviceCode(waiting.oauthUrl ?? '', waiting.userCode ?? '');
    await site.lab.up();
    expect(await api.signinWhen(sessionId, () => false)).toMatchObject({ state: 'completed' });
    await vmIsGone(vmId ?? '');
  });

  test('cancelled, its VM goes, and it stays cancelled (F22, F25)', async () => {
    const api = await newUser('cora');
    const { sessionId, vmId } = await api.start({ provider: 'gemini_cli' });
    await api.signinWhen(sessionId, ({ oauthUrl }) => oauthUrl !== null);
    expect((await api.call('POST', `/api/auth/session/${sessionId}/cancel`)).status).toBeLessThan(300);
    expect(await api.signin(sessionId)).toMatchObject({ state: 'cancelled' });
    await vmIsGone(vmId ?? '');
    expect(await api.signin(sessionId)).toMatchObject({ state: 'cancelled', failure: null });
  });
});

test('no disk, log, console, journal, database or snapshot holds a byte of what was planted', async () => {
  const { lab, canary } = site;
  const { vms } = vmListSchema.parse(await (await lab.fetch('/api/vms?all=true')).json());
  const cli = vms.filter(({ kind, state }) => kind === 'cli' && state === 'ready');
  expect(cli.length, 'VMs in which tools ran').toBeGreaterThan(0);
  for (const { id } of cli)
    expect(await lab.cli(['vm', 'exec', id, '--user', 'root', '--', 'sync'])).toMatchObject({ exitCode: 0 });
  const { stateDir, runDir, imageStore } = lab.config;
  const everywhere = [stateDir, runDir, join(imageStore, 'logs')];
  // That the search sees: a file of the same disk with the same word.
  const planted = await lab.cli([
    'vm',
    'exec',
    cli[0]?.id ?? '',
    '--',
    'sh',
    '-c',
    'echo planted-word-$((40+2)) > ~/planted; sync',
  ]);
  expect(planted).toMatchObject({ exitCode: 0 });
  expect(await searchForSecret('planted-word-42', [stateDir])).not.toEqual([]);
  expect(await searchForSecret(canary, everywhere)).toEqual([]);
  expect(await searchForSecret(KEY, everywhere)).toEqual([]);
  for (const { id } of cli) expect(await lab.cli(['vm', 'hibernate', id])).toMatchObject({ exitCode: 0 });
  expect(await searchForSecret(canary, [stateDir]), 'of VMs that sleep').toEqual([]);
  // It comes back from its disk, and gets its credential anew.
  const api = userApi(lab, await tokenOf('paula'));
  expect((await api.run({ provider: 'claude_code', prompt: 'still there?' })).run).toMatchObject({
    state: 'succeeded',
  });
  for (const { id } of vms) await lab.cli(['vm', 'rm', id]);
  await expect.poll(async () => (await countTraces(lab.config)).vmms, { timeout: 60_000 }).toBe(0);
});

/** pid of the QEMU of one VM. */
async function vmmOf(vmId: string): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.startsWith('qemu-system') && commandLine.includes(vmId)) return Number(name);
  }
  throw new Error(`no VMM of ${vmId}`);
}

const tokens = new Map<string, string>();
async function tokenOf(name: string): Promise<string> {
  const known = tokens.get(name) ?? (await newUser(name)).token;
  tokens.set(name, known);
  return known;
}
