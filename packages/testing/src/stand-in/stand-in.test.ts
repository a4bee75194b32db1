import { afterEach, describe, expect, it } from 'vitest';
import { startStandIn, type StandIn, type StandInOptions } from './server.ts';

const started: StandIn[] = [];
const start = async (options?: StandInOptions): Promise<StandIn> => {
  const standIn = await startStandIn(options);
  started.push(standIn);
  return standIn;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.stop()));
});

const ask = (url: string, body: unknown, headers: Record<string, string> = { 'x-api-key': 'sk-test' }) =>
  fetch(`${url}/v1/messages?beta=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const prompt = { model: 'm', messages: [{ role: 'user', content: 'hello there' }] };

describe('stand-in', () => {
  it('answers whole', async () => {
    const { url } = await start({ reply: 'You said: {prompt}' });
    const answer = await ask(url, prompt);
    expect(await answer.json()).toMatchObject({
      type: 'message',
      content: [{ type: 'text', text: 'You said: hello there' }],
      stop_reason: 'end_turn',
    });
  });

  it('streams, word by word', async () => {
    const { url } = await start({ reply: 'one  two\nthree ' });
    const answer = await ask(url, { ...prompt, stream: true });
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const events = (await answer.text())
      .trim()
      .split('\n\n')
      .map((block) => {
        const [event = '', data = ''] = block.split('\n');
        const parsed = JSON.parse(data.slice(6)) as { type: string; delta?: { text?: string } };
        expect(event).toBe(`event: ${parsed.type}`);
        return parsed;
      });
    expect(events.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(events.map(({ delta }) => delta?.text ?? '').join('')).toBe('one  two\nthree ');
  });

  it('takes the last text of the user out of blocks', async () => {
    const { url } = await start({ reply: '{prompt}' });
    const content = [
      { type: 'text', text: 'a note of the tool' },
      { type: 'text', text: 'the prompt' },
    ];
    const answer = await ask(url, { model: 'm', messages: [{ role: 'user', content }] });
    expect(await answer.json()).toMatchObject({ content: [{ text: 'the prompt' }] });
  });

  it('calls the shell of the tool for `run: …`, and repeats what it said', async () => {
    const { url } = await start();
    const tools = [{ name: 'Read' }, { name: 'Bash' }];
    const question = { role: 'user', content: 'run: echo hi > file' };
    const call = await ask(url, { ...prompt, tools, messages: [question] });
    const asked = (await call.json()) as { stop_reason: string; content: { type: string; input: unknown }[] };
    expect(asked.stop_reason).toBe('tool_use');
    expect(asked.content).toMatchObject([
      { type: 'tool_use', name: 'Bash', input: { command: 'echo hi > file' } },
    ]);
    const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: 'hi' };
    const messages = [
      question,
      { role: 'assistant', content: asked.content },
      { role: 'user', content: [result] },
    ];
    expect(await (await ask(url, { ...prompt, tools, messages })).json()).toMatchObject({
      content: [{ type: 'text', text: 'The command said: hi' }],
      stop_reason: 'end_turn',
    });
  });

  it('streams the call of a tool', async () => {
    const { url } = await start();
    const messages = [{ role: 'user', content: 'run: ls' }];
    const answer = await ask(url, { ...prompt, stream: true, tools: [{ name: 'bash' }], messages });
    const text = await answer.text();
    expect(text).toContain('"type":"tool_use"');
    expect(text).toContain('"partial_json":"{\\"command\\":\\"ls\\"');
  });

  it('counts tokens', async () => {
    const { url } = await start();
    const answer = await fetch(`${url}/v1/messages/count_tokens`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-test' },
      body: JSON.stringify(prompt),
    });
    expect(await answer.json()).toEqual({ input_tokens: expect.any(Number) as number });
  });

  it.each([
    ['no key', {}, {}, 401],
    ['another key', { expectKey: 'sk-good' }, { 'x-api-key': 'sk-bad' }, 401],
    ['the right key', { expectKey: 'sk-good' }, { authorization: 'Bearer sk-good' }, 200],
    ['a planned failure', { failStatus: 529 }, { 'x-api-key': 'k' }, 529],
  ])('status for %s', async (_name, options, headers, status) => {
    const { url } = await start(options);
    const answer = await ask(url, prompt, headers);
    expect(answer.status).toBe(status);
    if (status !== 200) expect(await answer.json()).toMatchObject({ type: 'error' });
  });

  it('refuses what is no request of the API', async () => {
    const { url } = await start();
    expect((await ask(url, '{')).status).toBe(400);
    expect((await ask(url, '[]')).status).toBe(400);
    expect((await ask(url, { model: 'm' })).status).toBe(400);
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
  });

  it('records every request, never the key', async () => {
    const lines: string[] = [];
    const standIn = await start({ onRequest: (record) => void lines.push(JSON.stringify(record)) });
    await ask(standIn.url, prompt, { 'x-api-key': 'sk-very-secret' });
    expect(standIn.requests).toMatchObject([
      { path: '/v1/messages', provider: 'anthropic', model: 'm', status: 200, key: 'sk-v… (14)' },
    ]);
    expect(lines.join('')).not.toContain('very-secret');
  });

  it('survives a caller that goes away in the middle of a slow answer', async () => {
    const { url } = await start({ reply: 'a b c d e f', delayMs: 50 });
    const abort = new AbortController();
    const answer = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'k' },
      body: JSON.stringify({ ...prompt, stream: true }),
      signal: abort.signal,
    });
    expect(answer.status).toBe(200);
    abort.abort();
    expect((await ask(url, prompt)).status).toBe(200);
  });
});
