import type { Run } from '@hearth/contract';
import { expect, it } from 'vitest';
import { conversations } from './conversations.ts';

it('lists each conversation of a provider once, by its latest prompt', () => {
  const run = (provider: string, sessionId: string | null, prompt: string): Run =>
    ({ provider, sessionId, prompt, createdAt: '2026-01-01T00:00:00.000Z' }) as Run;
  const runs = [
    run('codex', 'a', 'latest of a'),
    run('claude_code', 'c', 'of another tool'),
    run('codex', null, 'never got there'),
    run('codex', 'b', 'of b'),
    run('codex', 'a', 'first of a'),
  ];
  expect(conversations(runs, 'codex').map(({ sessionId, prompt }) => [sessionId, prompt])).toEqual([
    ['a', 'latest of a'],
    ['b', 'of b'],
  ]);
});
