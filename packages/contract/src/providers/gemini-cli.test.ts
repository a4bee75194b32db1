import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { geminiCli } from './gemini-cli.ts';

/** What gemini 0.61.0 printed against the project's stand-in (packages/testing/src/stand-in). */
const fixture = (name: string) =>
  readFileSync(join(import.meta.dirname, 'fixtures', `gemini-cli.${name}`), 'utf8');
const recorded = (name: string) =>
  fixture(`${name}.jsonl`)
    .split('\n')
    .flatMap((line) => geminiCli.readEvent(line));

const CREDS = '.gemini/oauth_creds.json';
const LINK =
  'https://accounts.google.com/o/oauth2/v2/auth?redirect_uri=https%3A%2F%2Fcodeassist.google.com%2Fauthcode';
const ASKS = `Please visit the following URL to authorize the application:\n\n${LINK}\n\nEnter the authorization code: `;
const parse = (value: unknown) =>
  geminiCli.credential.parse({ [CREDS]: typeof value === 'string' ? value : JSON.stringify(value) });

describe('gemini_cli: events', () => {
  it('streams the answer piece by piece, without the prompt', () => {
    expect(recorded('answer')).toEqual([
      { type: 'metadata', conversationId: '87d4b513-0648-4fa5-ad8c-a6a4ab2b84df', model: 'auto-gemini-2.5' },
      { type: 'text', text: 'You' },
      { type: 'text', text: ' said:' },
      { type: 'text', text: ' hello' },
      { type: 'text', text: ' there' },
      { type: 'usage', inputTokens: 262, outputTokens: 52 },
      { type: 'finished' },
    ]);
  });

  it('reads a call of the shell', () => {
    const [started, finished] = recorded('tool').filter(({ type }) => type === 'tool');
    expect(started).toMatchObject({
      phase: 'started',
      name: 'run_shell_command',
      input: { command: 'echo made > made.txt; cat made.txt' },
    });
    expect(finished).toMatchObject({ phase: 'finished', output: 'made', isError: false });
  });

  it('asks for another key', () => {
    expect(recorded('wrong-key').map(({ type }) => type)).toEqual([
      'metadata',
      'usage',
      'needs_login',
      'error',
      'finished',
    ]);
  });

  it('reports a server that does not answer as an error, not as a sign-in (F38)', () => {
    const line = { type: 'result', status: 'error', error: { type: 'unknown', message: 'fetch failed' } };
    expect(geminiCli.readEvent(JSON.stringify(line)).map(({ type }) => type)).toEqual(['error', 'finished']);
  });

  it('takes a plain line and events of other kinds for nothing', () => {
    for (const line of ['', 'Loaded cached credentials.', '{', '[]', 'null', '{"type":"init"}'])
      expect(geminiCli.readEvent(line)).toEqual([]);
  });
});

describe('gemini_cli: exit', () => {
  it.each([
    ['no login', 41, fixture('no-login.stderr.txt'), /^Manual authorization is required/],
    ['a login that Google refuses', 1, fixture('refused.stderr.txt'), /^the stand-in was told to fail$/],
    ['nothing set', 41, 'Please set an Auth method in your settings', /^Please set/],
  ])('asks for a sign-in: %s', (_name, code, stderr, words) => {
    expect(geminiCli.readExit(code, stderr)).toEqual([
      { type: 'needs_login', message: expect.any(String) as string },
      { type: 'error', message: expect.stringMatching(words) as string },
    ]);
  });

  it('says that a conversation is not there', () => {
    expect(
      geminiCli.readExit(42, 'Error resuming session: Invalid session identifier "x".\n  Searched'),
    ).toEqual([{ type: 'error', message: 'Invalid session identifier "x".' }]);
    expect(geminiCli.readExit(0, 'Error resuming session: x')).toEqual([]);
    expect(geminiCli.readExit(1, 'Error authenticating: FetchError: network is unreachable')).toEqual([
      { type: 'error', message: 'network is unreachable' },
    ]);
  });
});

describe('gemini_cli: commands', () => {
  it('keeps the prompt out of the arguments, and options whole', () => {
    const { command, env, stdin } = geminiCli.headless('--help me', {
      conversationId: '-x',
      model: 'gemini-3-pro',
      baseUrl: 'http://10.0.0.1:8787',
    });
    expect(stdin).toBe('--help me');
    expect(command.slice(-2)).toEqual(['--model=gemini-3-pro', '--resume=-x']);
    expect(env).toMatchObject({ GOOGLE_GEMINI_BASE_URL: 'http://10.0.0.1:8787' });
  });

  it('believes its status only where it did not fail to sign in', () => {
    expect(geminiCli.status.read(0, 'No previous sessions found for this project.').signedIn).toBe(true);
    expect(geminiCli.status.read(0, fixture('no-login.stderr.txt')).signedIn).toBe(false);
    expect(geminiCli.status.read(1, '').signedIn).toBe(false);
  });
});

describe('gemini_cli: sign-in', () => {
  const pasted = geminiCli.login.pasted_code;

  it('waits for the code, and no longer once one was typed', () => {
    expect(pasted?.readOutput(ASKS)).toEqual([{ type: 'url', url: LINK }, { type: 'code_wanted' }]);
    expect(pasted?.readOutput(`${ASKS}4/fake\n`)).toEqual([{ type: 'url', url: LINK }]);
  });

  it('says that a code was refused, in its own words', () => {
    const refused = `${ASKS}wrong\nFailed to authenticate with authorization code:invalid_grant\n`;
    expect(pasted?.readOutput(refused)).toContainEqual({
      type: 'code_refused',
      words: 'Failed to authenticate with authorization code:invalid_grant',
    });
    const end = `${refused}Error authenticating: FatalAuthenticationError: Failed to authenticate with user code.`;
    expect(pasted?.readOutput(end).map(({ type }) => type)).not.toContain('failed');
  });

  it('answers its one question, and reads how it ends', () => {
    const text = 'Opening authentication page in your browser. Do you want to continue? [Y/n]: ';
    expect(geminiCli.login.browser?.readOutput(text)).toEqual([
      { type: 'answer', question: 'open the sign-in page', keys: 'y\r' },
    ]);
    expect(
      geminiCli.login.browser?.readOutput(
        'FatalAuthenticationError: Google OAuth error: access_denied. No\n',
      ),
    ).toEqual([{ type: 'failed', words: 'Google OAuth error: access_denied. No' }]);
  });
});

describe('gemini_cli: credential', () => {
  const file = { access_token: 'fake-access-NOT-A-TOKEN', refresh_token: 'fake-NOT-A-TOKEN', expiry_date: 5 };

  it('reads account and end; a refresh takes the account away', () => {
    const id = `e30.${Buffer.from('{"email":"someone@example.invalid"}').toString('base64url')}.x`;
    expect(parse({ ...file, id_token: id })).toEqual({
      ok: true,
      account: 'someone@example.invalid',
      expiresAtMs: 5,
      refreshable: true,
    });
    expect(parse(file)).toMatchObject({ ok: true, account: null });
  });

  it.each([
    ['cut off', JSON.stringify(file).slice(0, 40)],
    ['empty', ''],
    ['without tokens', '{"expiry_date":5}'],
  ])('refuses a file that is %s, and names no value', (_name, text) => {
    const parsed = parse(text);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain('NOT-A-TOKEN');
  });
});
