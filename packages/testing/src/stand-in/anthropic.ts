import {
  commandAskedFor,
  isObject,
  pieces,
  type Answer,
  type ModelApi,
  type ModelRequest,
  type ServerSentEvent,
  type Surroundings,
} from './provider.ts';

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  529: 'overloaded_error',
};
/** A rough count, as stable as tests need it. */
const CHARACTERS_PER_TOKEN = 4;

/** The Messages API: streamed and whole answers, one call of the tool's shell, and count_tokens. */
export const anthropic: ModelApi = {
  key: (headers) => {
    const bearer = /^Bearer +(\S+)$/i.exec(String(headers['authorization'] ?? ''))?.[1];
    const key = headers['x-api-key'];
    return (typeof key === 'string' ? key : undefined) ?? bearer;
  },
  answer: (request, surroundings) => {
    if (request.method !== 'POST') return null;
    if (request.path === '/v1/messages') return messages(request, surroundings);
    if (request.path === '/v1/messages/count_tokens') return countTokens(request, surroundings);
    return null;
  },
};

type Block = { type: 'text'; text: string } | { type: 'tool_use'; id: string; name: string; input: object };

function messages(request: ModelRequest, surroundings: Surroundings): Answer {
  const refused = refuse(request, surroundings);
  if (refused !== null) return refused;
  const { body, sequence } = request;
  if (typeof body['model'] !== 'string' || !Array.isArray(body['messages']))
    return failure(400, 'model and messages are required');
  const block = nextBlock(request, body['messages'], surroundings.behaviour.reply);
  const message = {
    id: `msg_standin${String(sequence).padStart(8, '0')}`,
    type: 'message',
    role: 'assistant',
    model: body['model'],
    content: [block],
    stop_reason: block.type === 'tool_use' ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: usage(body, JSON.stringify(block)),
  };
  if (body['stream'] !== true) return { type: 'json', status: 200, body: message, slow: true };
  return {
    type: 'events',
    events: [
      say({
        type: 'message_start',
        message: {
          ...message,
          content: [],
          stop_reason: null,
          usage: { ...message.usage, output_tokens: 1 },
        },
      }),
      ...deltas(block),
      say({ type: 'content_block_stop', index: 0 }),
      say({
        type: 'message_delta',
        delta: { stop_reason: message.stop_reason, stop_sequence: null },
        usage: { output_tokens: message.usage.output_tokens },
      }),
      say({ type: 'message_stop' }),
    ],
  };
}

/** The reply; or, for the prompt `run: COMMAND`, a call of the tool's shell, and what it said once it ran. */
function nextBlock({ body, sequence }: ModelRequest, list: readonly unknown[], reply: string): Block {
  const result = toolResult(list);
  if (result !== null) return { type: 'text', text: `The command said: ${result}` };
  const prompt = lastPrompt(list);
  const command = commandAskedFor(prompt);
  const shell = shellTool(body['tools']);
  if (command === null || shell === null) return { type: 'text', text: reply.replaceAll('{prompt}', prompt) };
  return {
    type: 'tool_use',
    id: `toolu_standin${String(sequence).padStart(8, '0')}`,
    name: shell,
    input: { command, description: 'Run what was asked for' },
  };
}

function deltas(block: Block): ServerSentEvent[] {
  const begin = (empty: Block) => say({ type: 'content_block_start', index: 0, content_block: empty });
  if (block.type === 'text')
    return [
      begin({ ...block, text: '' }),
      ...pieces(block.text).map((piece) =>
        say({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } }, true),
      ),
    ];
  const input = JSON.stringify(block.input);
  return [
    begin({ ...block, input: {} }),
    say(
      { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: input } },
      true,
    ),
  ];
}

function say(data: { type: string; [key: string]: unknown }, slow = false): ServerSentEvent {
  return { event: data.type, data, slow };
}

function countTokens(request: ModelRequest, surroundings: Surroundings): Answer {
  return (
    refuse(request, surroundings) ?? {
      type: 'json',
      status: 200,
      body: { input_tokens: usage(request.body, '').input_tokens },
    }
  );
}

function refuse({ headers }: ModelRequest, { behaviour, ledger }: Surroundings): Answer | null {
  const { expectKey, failStatus } = behaviour;
  if (failStatus !== undefined) return failure(failStatus, 'the stand-in was told to fail');
  const key = anthropic.key(headers);
  if (key === undefined) return failure(401, 'x-api-key header is required');
  const state = ledger.stateOf(key);
  if (state === 'expired') return failure(401, 'OAuth token has expired');
  if (state === 'revoked') return failure(401, 'OAuth token has been revoked');
  if (state === 'valid') return null;
  return expectKey !== undefined && key !== expectKey ? failure(401, 'invalid x-api-key') : null;
}

function failure(status: number, message: string): Answer {
  return {
    type: 'json',
    status,
    body: { type: 'error', error: { type: ERROR_TYPES[status] ?? 'api_error', message } },
  };
}

function usage(body: ModelRequest['body'], answer: string) {
  return {
    input_tokens: Math.ceil(JSON.stringify(body['messages'] ?? []).length / CHARACTERS_PER_TOKEN),
    output_tokens: Math.ceil(answer.length / CHARACTERS_PER_TOKEN),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
  };
}

/** The last text of the user; a tool puts its own notes before it, in blocks of their own. */
function lastPrompt(list: readonly unknown[]): string {
  return lastOf(list, 'text', (block) => block['text']) ?? '';
}

/** What the tool's shell said, where that is the last thing that the user's side said. */
function toolResult(list: readonly unknown[]): string | null {
  return lastOf(list, 'tool_result', ({ content }) =>
    Array.isArray(content) ? lastOf([{ role: 'user', content }], 'text', ({ text }) => text) : content,
  );
}

function lastOf(
  list: readonly unknown[],
  type: string,
  read: (block: Record<string, unknown>) => unknown,
): string | null {
  const last = list.findLast((one) => isObject(one) && one['role'] === 'user');
  if (!isObject(last)) return null;
  const content = last['content'];
  const blocks: unknown[] =
    typeof content === 'string' ? [{ type: 'text', text: content }] : Array.isArray(content) ? content : [];
  const block = blocks.findLast((one) => isObject(one) && one['type'] === type);
  const text = isObject(block) ? read(block) : null;
  return typeof text === 'string' ? text : null;
}

function shellTool(tools: unknown): string | null {
  if (!Array.isArray(tools)) return null;
  const names = tools.map((tool: unknown) => (isObject(tool) ? tool['name'] : undefined));
  return names.find((name): name is string => typeof name === 'string' && /^bash$/i.test(name)) ?? null;
}
