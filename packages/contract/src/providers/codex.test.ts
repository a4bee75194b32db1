import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codex } from './codex.ts';

/** What codex 0.169.0 printed against the project's stand-in (packages/testing/src/stand-in). */
const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, 'fixtures', `codex.${name}.jsonl`), 'utf8')
    .split('\n')
    .flatMap((line) => codex.readEvent(line));

const jwt = (claims: object): string =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.fake`;
const AUTH = '.codex/auth.json';
const AUTHORIZE =
  'https://auth.openai.com/oauth/authorize?response_type=code&client_id=app_x&redirect_uri=http%3A%2F%2F127.0.0.1%3A1455';
const tokens = {
  id_token: jwt({ email: 'someone@example.invalid' }),
  access_token: jwt({ exp: 1_800_000_000 }),
  refresh_token: 'fake-refresh-NOT-A-TOKEN',
};
const parse = (value: unknown) =>
  codex.credential.parse({ [AUTH]: typeof value === 'string' ? value : JSON.stringify(value) });

describe('codex: events', () => {
  it('reads an answer', () => {
    expect(recorded('answer')).toEqual([
      { type: 'metadata', conversationId: '01a20ab0-ec2e-77c1-a968-fffb96e1ddef' },
      { type: 'text', text: 'You said: hello there\n' },
      { type: 'usage', inputTokens: 17194, outputTokens: 37 },
      { type: 'finished' },
    ]);
  });

  it('reads a call of the shell, with its failure', () => {
    const tool = recorded('tool').filter(({ type }) => type === 'tool');
    expect(tool).toEqual([
      {
        type: 'tool',
        phase: 'started',
        id: 'item_0',
        name: 'shell',
        input: { command: "/usr/bin/bash -lc 'echo made > made.txt; cat made.txt; ls missing'" },
      },
      {
        type: 'tool',
        phase: 'finished',
        id: 'item_0',
        output: "made\nls: cannot access 'missing': No such file or directory\n",
        isError: true,
      },
    ]);
  });

  it.each([
    ['wrong-key', /Incorrect API key/],
    ['no-key', /Missing bearer/],
    ['revoked', /sign in again/],
  ])('asks for a sign-in once, at the end of its retries: %s', (name, words) => {
    expect(recorded(name)).toEqual([
      { type: 'metadata', conversationId: expect.any(String) as string },
      { type: 'needs_login', message: expect.any(String) as string },
      { type: 'error', message: expect.stringMatching(words) as string },
      { type: 'finished' },
    ]);
  });

  it('reports a server that does not answer as an error, not as a sign-in (F38)', () => {
    const line = JSON.stringify({
      type: 'turn.failed',
      error: { message: 'stream disconnected before completion' },
    });
    expect(codex.readEvent(line).map(({ type }) => type)).toEqual(['error', 'finished']);
  });

  it('shows a changed file and a search as tools', () => {
    const done = (item: object) => codex.readEvent(JSON.stringify({ type: 'item.completed', item }));
    const change = {
      id: 'item_1',
      type: 'file_change',
      changes: [{ path: 'a', kind: 'add' }],
      status: 'completed',
    };
    expect(done(change)).toMatchObject([
      { phase: 'started', name: 'edit', input: { changes: change.changes } },
      { phase: 'finished', id: 'item_1', isError: false },
    ]);
    expect(done({ id: 'item_2', type: 'web_search', query: 'x' })).toHaveLength(2);
  });

  it('takes a plain line and events of other kinds for nothing', () => {
    for (const line of [
      '',
      'WARNING: x',
      '{',
      '[]',
      'null',
      '{"type":"turn.started"}',
      '{"type":"item.completed"}',
    ])
      expect(codex.readEvent(line)).toEqual([]);
  });

  it('says why it did not start', () => {
    const stderr = 'Reading prompt from stdin...\nError: thread/resume: no rollout found for thread id 1\n';
    expect(codex.readExit(1, stderr)).toEqual([
      { type: 'error', message: 'thread/resume: no rollout found for thread id 1' },
    ]);
    expect(codex.readExit(0, stderr)).toEqual([]);
  });
});

describe('codex: commands', () => {
  it('keeps the prompt out of the arguments, and continues a conversation', () => {
    const { command, stdin } = codex.headless('--help me', { conversationId: '-x', model: 'gpt-5' });
    expect(stdin).toBe('--help me');
    expect(command.join(' ')).toMatch(/ -m gpt-5 resume -- -x -$/);
    expect(codex.headless('hello', {}).command.at(-1)).toBe('-');
  });

  it.each(['http://10.0.0.1:8787', 'http://10.0.0.1:8787/', 'http://10.0.0.1:8787/v1'])(
    'asks the server %s',
    (url) => {
      const { command } = codex.headless('hello', { baseUrl: url });
      expect(command).toContain('openai_base_url="http://10.0.0.1:8787/v1"');
    },
  );

  it('never shows the ends of an API key as its status', () => {
    const { signedIn, words } = codex.status.read(0, 'API key configured - sk-fake-***TOKEN\n');
    expect([signedIn, words.includes('TOKEN')]).toEqual([true, false]);
    expect(codex.status.read(1, 'Not logged in').signedIn).toBe(false);
  });
});

describe('codex: sign-in', () => {
  it('finds the link once it is whole', () => {
    const text = `Starting local login server on http://localhost:1455.\nnavigate to this URL:\n\n${AUTHORIZE}`;
    expect(codex.login.browser?.readOutput(text)).toEqual([]);
    expect(codex.login.browser?.readOutput(`${text}\n\nOn a remote`)).toEqual([
      { type: 'url', url: AUTHORIZE },
    ]);
  });

  it('finds the device code', () => {
    const text =
      '1. Open this link\n   https://auth.openai.com/codex/device\n\n2. Enter this one-time code (expires in 15 minutes)\n   66WD-CZ2TY';
    expect(codex.login.device_code?.readOutput(text)).toEqual([]);
    expect(codex.login.device_code?.readOutput(`${text}\n`)).toEqual([
      { type: 'device_code', code: '66WD-CZ2TY', url: 'https://auth.openai.com/codex/device' },
    ]);
  });

  it('says in its own words why it failed', () => {
    expect(codex.login.browser?.readOutput('Error logging in: Sign-in failed: denied\n')).toEqual([
      { type: 'failed', words: 'Sign-in failed: denied' },
    ]);
  });
});

describe('codex: credential', () => {
  it('reads account and end', () => {
    expect(parse({ auth_mode: 'chatgpt', tokens })).toEqual({
      ok: true,
      account: 'someone@example.invalid',
      expiresAtMs: 1_800_000_000_000,
      refreshable: true,
    });
  });

  it('takes a key that codex itself keeps there', () => {
    expect(parse({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-fake-NOT-A-TOKEN' })).toMatchObject({
      ok: true,
      refreshable: false,
    });
  });

  it.each([
    ['cut off', JSON.stringify({ tokens }).slice(0, 60)],
    ['empty', ''],
    ['no object', '[]'],
    ['an object that codex takes for signed in', '{}'],
    ['without tokens', '{"auth_mode":"chatgpt","tokens":null}'],
    ['without an access token', JSON.stringify({ tokens: { ...tokens, access_token: '' } })],
  ])('refuses a file that is %s, and names no value', (_name, text) => {
    const parsed = parse(text);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain('NOT-A-TOKEN');
  });

  it('takes tokens that are no JWT', () => {
    expect(parse({ tokens: { ...tokens, access_token: 'opaque', id_token: 'a.%%%.c' } })).toEqual({
      ok: true,
      account: null,
      expiresAtMs: null,
      refreshable: true,
    });
  });
});
