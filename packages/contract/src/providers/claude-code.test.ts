import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { claudeCode } from './claude-code.ts';

/** Lines that claude 2.1.330 printed against the project's stand-in (packages/testing/src/stand-in), without the first one. */
const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, 'fixtures', `claude-code.${name}.jsonl`), 'utf8')
    .split('\n')
    .flatMap((line) => claudeCode.readEvent(line));

describe('claude_code', () => {
  it('streams the answer piece by piece, once, and ends', () => {
    expect(recorded('answer')).toEqual([
      { type: 'text', text: 'You' },
      { type: 'text', text: ' said:' },
      { type: 'text', text: ' hello' },
      { type: 'done' },
    ]);
  });

  it.each([
    ['wrong-key', 'Invalid API key · Fix external API key'],
    ['no-key', 'Not logged in · Please run /login'],
  ])('asks for a sign-in: %s', (name, message) => {
    expect(recorded(name)).toEqual([
      { type: 'needs_login', message: 'Claude Code refused the API key, or has none' },
      { type: 'error', message },
      { type: 'done' },
    ]);
  });

  it('reports a server that does not answer as an error, not as a sign-in (F38)', () => {
    const events = recorded('dead-server');
    expect(events.map(({ type }) => type)).toEqual(['error', 'done']);
    expect(events[0]).toMatchObject({ message: expect.stringMatching(/connect/i) as string });
  });

  it('takes a plain line and events of other kinds for nothing', () => {
    for (const line of ['', 'Warning: something', '{', '[]', 'null', '{"type":"user"}', '{"type":"result"}'])
      expect(claudeCode.readEvent(line)).toEqual([]);
  });

  it('keeps a prompt that begins with a dash a prompt', () => {
    const { command } = claudeCode.headless('--help me', {});
    expect(command.slice(-2)).toEqual(['--', '--help me']);
  });

  it('names model and server only where they are given, and never a key', () => {
    const plain = claudeCode.headless('hello', {});
    expect(plain.command).not.toContain('--model');
    expect(plain.env).not.toHaveProperty('ANTHROPIC_BASE_URL');
    const full = claudeCode.headless('hello', { baseUrl: 'http://127.0.0.1:8787', model: 'opus' });
    expect(full.command.join(' ')).toContain('--model opus --');
    expect(full.env).toMatchObject({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:8787' });
    expect(Object.keys(full.env)).not.toContain(claudeCode.apiKeyVariable);
  });
});
