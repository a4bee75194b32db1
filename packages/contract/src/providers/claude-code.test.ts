import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isAllowedUrl } from './allowed-url.ts';
import { claudeCode } from './claude-code.ts';

/** Lines that claude 2.1.330 printed against the project's stand-in (packages/testing/src/stand-in). */
const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, 'fixtures', `claude-code.${name}.jsonl`), 'utf8')
    .split('\n')
    .flatMap((line) => claudeCode.readEvent(line));

describe('claude_code: events', () => {
  it('streams the answer piece by piece, once, and ends', () => {
    expect(recorded('answer')).toEqual([
      {
        type: 'metadata',
        conversationId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        model: 'claude-opus-5-5',
      },
      { type: 'text', text: 'You' },
      { type: 'text', text: ' said:' },
      { type: 'text', text: ' my' },
      { type: 'text', text: ' first' },
      { type: 'text', text: ' prompt\n' },
      {
        type: 'usage',
        inputTokens: expect.any(Number) as number,
        outputTokens: expect.any(Number) as number,
      },
      { type: 'finished' },
    ]);
  });

  it('tells what a tool did, and joins its end to its start', () => {
    const tools = recorded('tool').filter(({ type }) => type === 'tool');
    expect(tools).toEqual([
      {
        type: 'tool',
        phase: 'started',
        id: 'toolu_standin00000150',
        name: 'Bash',
        input: expect.objectContaining({ command: 'echo tool-was-here > made.txt; cat made.txt' }) as unknown,
      },
      {
        type: 'tool',
        phase: 'finished',
        id: 'toolu_standin00000150',
        output: 'tool-was-here',
        isError: false,
      },
    ]);
  });

  it.each([
    ['wrong-key', 'Invalid API key · Fix external API key'],
    ['no-key', 'Not logged in · Please run /login'],
    ['revoked', 'Failed to authenticate: OAuth session expired and could not be refreshed'],
    ['refused-token', 'Failed to authenticate. API Error: 401 the stand-in was told to fail'],
  ])('asks for a sign-in, in the words of the tool: %s', (name, message) => {
    expect(recorded(name).filter(({ type }) => type !== 'metadata' && type !== 'usage')).toEqual([
      { type: 'needs_login', message },
      { type: 'error', message },
      { type: 'finished' },
    ]);
  });

  it('reports a server that does not answer as an error, not as a sign-in (F38)', () => {
    const events = recorded('dead-server');
    expect(events.map(({ type }) => type)).toEqual(['usage', 'error', 'finished']);
    expect(events[1]).toMatchObject({ message: expect.stringMatching(/connect/i) as string });
  });

  it('says which conversation it did not find', () => {
    expect(recorded('unknown-conversation')).toContainEqual({
      type: 'error',
      message: 'No conversation found with session ID: 99999999-2222-4333-8444-555555555555',
    });
  });

  it('leaves out the words of subagents', () => {
    const delta = { type: 'content_block_delta', delta: { type: 'text_delta', text: 'aside' } };
    const line = JSON.stringify({ type: 'stream_event', event: delta, parent_tool_use_id: 'toolu_1' });
    expect(claudeCode.readEvent(line)).toEqual([]);
  });

  it('takes a plain line and events of other kinds for nothing', () => {
    for (const line of ['', 'Warning: something', '{', '[]', 'null', '{"type":"user"}', '{"type":"result"}'])
      expect(claudeCode.readEvent(line)).toEqual([]);
  });
});

describe('claude_code: a prompt', () => {
  it('goes to standard input, so that it is in no argv and a dash at its start means nothing', () => {
    const { command, stdin } = claudeCode.headless('--help me', {});
    expect(stdin).toBe('--help me');
    expect(command.join(' ')).not.toContain('help me');
  });

  it('names model, server and conversation only where they are given, and never a key', () => {
    const plain = claudeCode.headless('hello', {});
    expect(plain.command).not.toContain('--model');
    expect(plain.command).not.toContain('--resume');
    expect(plain.env).not.toHaveProperty('ANTHROPIC_BASE_URL');
    const full = claudeCode.headless('hello', {
      ...{ baseUrl: 'http://127.0.0.1:8787', model: 'opus', conversationId: 'abc' },
    });
    expect(full.command.join(' ')).toContain('--model opus --resume abc');
    expect(full.env).toMatchObject({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:8787' });
    expect(Object.keys(full.env)).not.toContain(claudeCode.apiKeyVariable);
  });
});

describe('claude_code: login', () => {
  const link =
    'https://claude.com/cai/oauth/authorize?code=true&client_id=9d1c250a&redirect_uri=https%3A%2F%2Fplatform.claude.com%2Foauth%2Fcode%2Fcallback&state=s-_1';
  const opening = `Opening browser to sign in…\r\nIf the browser didn't open, visit:\r\n${link}\r\n`;
  const asking = `${opening}Paste code here if prompted > `;
  const read = (text: string) => claudeCode.login.pasted_code?.readOutput(text);

  it('finds the link, then the question', () => {
    expect(read('Opening browser to sign in…\r\n')).toEqual([]);
    expect(read(opening)).toEqual([{ type: 'url', url: link }]);
    expect(read(asking)).toEqual([{ type: 'url', url: link }, { type: 'code_wanted' }]);
    expect(isAllowedUrl(claudeCode, link)).toBe(true);
  });

  it('repeats the words of a refusal, whether claude asks again or ends', () => {
    const incomplete = "That doesn't look like the full code. Copy all of it, including the # in the middle.";
    expect(read(`${asking}wrong\r\n${incomplete}\r\nPaste code here if prompted > `)).toContainEqual({
      type: 'code_refused',
      words: incomplete,
    });
    const words =
      "That code wasn't accepted. It may be incomplete, expired, already used, or from an earlier sign-in attempt. Sign in again to get a new code.";
    const ended = read(`${asking}wrong#state\r\nSigning in…\r\nCouldn't log in: ${words}\r\n`);
    expect(ended).toContainEqual({ type: 'code_refused', words });
    expect(ended).not.toContainEqual({ type: 'code_wanted' });
    expect(claudeCode.login.pasted_code?.restartAfterRefusal).toBe(true);
  });

  it('tells any other end as a failure', () => {
    const text = `${asking}\r\nCouldn't log in: Unable to connect to API\r\n`;
    expect(read(text)).toContainEqual({
      type: 'failed',
      words: "Couldn't log in: Unable to connect to API",
    });
  });

  it('allows its own pages and nothing else', () => {
    for (const bad of [
      'http://claude.com/cai/oauth/authorize',
      'https://claude.com.evil.example/cai/oauth/authorize',
      'https://claude.ai/chat',
      'https://user@claude.ai/oauth/authorize',
      'javascript:alert(1)',
    ])
      expect(isAllowedUrl(claudeCode, bad), bad).toBe(false);
  });

  it('believes the status command only where exit code and words agree', () => {
    const status = (exitCode: number, output: string) => claudeCode.status.read(exitCode, output);
    expect(status(0, '{\n "loggedIn": true,\n "subscriptionType": "pro"\n}')).toEqual({
      signedIn: true,
      words: 'signed in with the pro plan',
    });
    expect(status(1, '{ "loggedIn": false }').signedIn).toBe(false);
    expect(status(0, '').signedIn).toBe(false);
  });
});

describe('claude_code: the credential file', () => {
  const path = '.claude/.credentials.json';
  const oauth = {
    accessToken: 'fake-access-NOT-A-TOKEN',
    refreshToken: 'fake-refresh-NOT-A-TOKEN',
    expiresAt: 1_795_504_569_273,
    subscriptionType: 'pro',
  };
  const parse = (text: string) => claudeCode.credential.parse({ [path]: text });

  it('says what it may say', () => {
    expect(parse(JSON.stringify({ claudeAiOauth: oauth }))).toEqual({
      ok: true,
      account: 'pro plan',
      expiresAtMs: 1_795_504_569_273,
      refreshable: true,
    });
  });

  it.each([
    ['truncated', JSON.stringify({ claudeAiOauth: oauth }).slice(0, 60)],
    ['empty', ''],
    ['of another shape', '{"claudeAiOauth":{"accessToken":7}}'],
    ['null', 'null'],
    // What claude leaves when the server refused its refresh token.
    [
      'blanked by claude',
      JSON.stringify({ claudeAiOauth: { ...oauth, accessToken: '', refreshToken: '', expiresAt: 0 } }),
    ],
  ])('refuses a file that is %s, without quoting it', (_name, text) => {
    const parsed = parse(text);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain('NOT-A-TOKEN');
  });

  it('refuses where nothing is there', () => {
    expect(claudeCode.credential.parse({})).toEqual({ ok: false, reason: `${path} is not there` });
  });
});
