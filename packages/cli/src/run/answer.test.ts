import { providers, type RunEvent, type Vm } from '@hearth/contract';
import { expect, test } from 'vitest';
import { makeAnswer } from './answer.ts';
import { pickOwn } from './own-vm.ts';

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const piece = (text: string) =>
  line({ type: 'stream_event', event: { type: 'content_block_delta', delta: { type: 'text_delta', text } } });

test('the answer comes in pieces, whatever the chunks, with letters cut in two', () => {
  const events: RunEvent[] = [];
  const answer = makeAnswer(providers.claude_code, { onEvent: (event) => events.push(event) });
  const bytes = Buffer.from(
    `${piece('gr')}not json\n${piece('üß')}${line({ type: 'result', is_error: false }).trimEnd()}`,
  );
  for (const byte of bytes) answer.onStdout(Uint8Array.of(byte));
  answer.end();
  expect(events).toEqual([{ type: 'text', text: 'gr' }, { type: 'text', text: 'üß' }, { type: 'done' }]);
  expect(answer.summary()).toMatchObject({ text: 'grüß', needsLogin: undefined, error: undefined });
});

test('a missing sign-in is said once, though the result calls itself a success', () => {
  const events: RunEvent[] = [];
  const answer = makeAnswer(providers.claude_code, { onEvent: (event) => events.push(event) });
  const refused = line({ type: 'assistant', error: 'authentication_failed' });
  answer.onStdout(
    Buffer.from(
      refused +
        refused +
        line({ type: 'result', subtype: 'success', is_error: true, result: 'Invalid API key' }),
    ),
  );
  answer.end();
  expect(events.map(({ type }) => type)).toEqual(['needs_login', 'error', 'done']);
  expect(answer.summary()).toMatchObject({
    needsLogin: expect.any(String) as string,
    error: 'Invalid API key',
  });
});

test('F23: one works in their own newest CLI VM that lives, ready before starting', () => {
  const vm = (id: string, state: Vm['state'], createdAt: string, more: Partial<Vm> = {}): Vm =>
    ({ id, state, createdAt, kind: 'cli', userId: 'me', ...more }) as Vm;
  const vms = [
    vm('old', 'ready', '2026-01-01'),
    vm('new', 'ready', '2026-01-02'),
    vm('starting', 'starting', '2026-01-03'),
    vm('dead', 'deleted', '2026-01-04'),
    vm('failed', 'failed', '2026-01-04'),
    vm('desktop', 'ready', '2026-01-05', { kind: 'browser' }),
    vm('other', 'ready', '2026-01-06', { userId: 'you' as Vm['userId'] }),
  ];
  expect(pickOwn(vms, 'me')?.id).toBe('new');
  expect(pickOwn(vms.slice(2), 'me')?.id).toBe('starting');
  expect(pickOwn(vms.slice(3), 'me')).toBeUndefined();
});
