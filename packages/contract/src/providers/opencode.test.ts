import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { opencode } from './opencode.ts';

/** Lines that opencode 1.18.33 printed against the project's stand-in. */
const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, 'fixtures', `opencode.${name}.jsonl`), 'utf8')
    .split('\n')
    .flatMap((line) => opencode.readEvent(line));
const conversation = { type: 'metadata', conversationId: expect.stringMatching(/^ses_\w+$/) as string };

describe('opencode', () => {
  it('answers and ends', () => {
    expect(recorded('answer')).toEqual([
      conversation,
      { type: 'text', text: 'You said: hello there\n' },
      { type: 'usage', inputTokens: 27, outputTokens: 12 },
      { type: 'finished' },
    ]);
  });

  it('tells what a tool did, and does not end before the last step', () => {
    const events = recorded('tool');
    expect(events.filter(({ type }) => type === 'tool')).toEqual([
      {
        type: 'tool',
        phase: 'started',
        id: 'toolu_standin00000163',
        name: 'bash',
        input: {
          command: 'echo tool-was-here > made.txt; cat made.txt',
          description: 'Run what was asked for',
        },
      },
      {
        type: 'tool',
        phase: 'finished',
        id: 'toolu_standin00000163',
        output: 'tool-was-here\n',
        isError: false,
      },
    ]);
    expect(events.findIndex(({ type }) => type === 'finished')).toBe(events.length - 1);
  });

  it('tells a command that failed', () => {
    const state = { status: 'completed', input: {}, output: 'no', metadata: { exit: 2 } };
    const line = { type: 'tool_use', part: { tool: 'bash', callID: 'c', state } };
    expect(opencode.readEvent(JSON.stringify(line))[1]).toMatchObject({ isError: true });
  });

  it('asks for another key where the server refuses it, and only there (F38)', () => {
    expect(recorded('refused-key').map(({ type }) => type)).toEqual(['needs_login', 'error', 'finished']);
    expect(recorded('no-key').map(({ type }) => type)).toEqual(['error', 'finished']);
  });

  it('finds the reason of an early end in its words for people', () => {
    expect(opencode.readExit(1, '\u001b[91m\u001b[1mError: \u001b[0mSession not found\n')).toEqual([
      { type: 'error', message: 'Session not found' },
    ]);
    expect(opencode.readExit(0, 'Error: of long ago')).toEqual([]);
  });

  it('gets the prompt on standard input, and a server with the version in its path', () => {
    const { command, env, stdin } = opencode.headless('--help me', {
      ...{ baseUrl: 'http://127.0.0.1:8787/', model: 'claude-sonnet-4-5', conversationId: 'ses_1' },
    });
    expect(stdin).toBe('--help me');
    expect(command.join(' ')).toBe(
      'opencode run --format json --auto --model anthropic/claude-sonnet-4-5 --session ses_1',
    );
    expect(env).toMatchObject({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:8787/v1' });
    expect(opencode.headless('x', { baseUrl: 'http://h/v1' }).env).toMatchObject({
      ANTHROPIC_BASE_URL: 'http://h/v1',
    });
  });

  it('reads its credential file and its status without a secret in the words', () => {
    const path = '.local/share/opencode/auth.json';
    const parse = (text: string) => opencode.credential.parse({ [path]: text });
    expect(parse('{"anthropic":{"type":"api","key":"fake-key-NOT-A-TOKEN"}}')).toEqual({
      ok: true,
      account: 'anthropic',
      expiresAtMs: null,
      refreshable: false,
    });
    for (const text of ['{}', '', '[1]', '{"anthropic":{"type":"api","key":"fake-k'])
      expect(parse(text).ok, text).toBe(false);
    expect(opencode.status.read(0, '└  1 credentials').signedIn).toBe(true);
    expect(opencode.status.read(0, '└  0 credentials').signedIn).toBe(false);
  });
});
