import { runSchema, type Run } from '@hearth/contract';
import { expect, it } from 'vitest';
import { emptyRunList, takeRunEvent, withRun } from './run-list.ts';
import { waitingWords } from './run-words.ts';

const run = (id: string, changes: Partial<Record<keyof Run, unknown>> = {}): Run =>
  runSchema.parse({
    ...{
      id: `run-00000000000${id}`,
      userId: 'usr-000000000000',
      provider: 'codex',
      state: 'queued',
      version: 1,
    },
    ...{ prompt: 'hi', sessionId: null, model: null, cwd: '/home/hearth/work', vmId: null, position: null },
    ...{ waitingFor: null, exitCode: null, failure: null, startedAt: null, endedAt: null, usage: null },
    ...{ createdAt: `2026-01-01T00:00:0${id}.000Z`, events: 0, changes: null, ...changes },
  });

it('has the newest first and does not go back to older news', () => {
  let list = withRun([], run('1'));
  list = withRun(list, run('2', { version: 5, state: 'succeeded' }));
  list = withRun(list, run('2', { version: 4, state: 'running' }));
  expect(list.map(({ id, state }) => `${id.at(-1) ?? ''} ${state}`)).toEqual(['2 succeeded', '1 queued']);
});

it('is listed once the server said so', () => {
  const list = takeRunEvent(emptyRunList, { type: 'run', run: run('1') });
  expect(list.listed).toBe(false);
  expect(takeRunEvent(list, { type: 'listed' })).toMatchObject({
    listed: true,
    runs: [{ id: 'run-000000000001' }],
  });
});

it.each([
  [{ position: 0 }, 'It is next. It waits for its turn.'],
  [{ position: 3, waitingFor: 'room in its VM' }, '3 before it. It waits for room in its VM.'],
  [{ state: 'paused', waitingFor: 'you to sign in again' }, 'It waits for you to sign in again.'],
  [{ state: 'starting' }, 'Your CLI VM is made ready…'],
  [{ state: 'running' }, null],
] as const)('says why it waits: %j: %s', (changes, words) => {
  expect(waitingWords(run('1', changes))).toBe(words);
});
