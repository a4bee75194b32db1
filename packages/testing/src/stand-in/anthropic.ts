import { pieces, type Answer, type Behaviour, type ModelApi, type ModelRequest } from './provider.ts';

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

/** The Messages API: streamed and whole answers, and count_tokens. */
export const anthropic: ModelApi = {
  name: 'anthropic',
  key: (headers) => {
    const bearer = /^Bearer +(\S+)$/i.exec(String(headers['authorization'] ?? ''))?.[1];
    const key = headers['x-api-key'];
    return (typeof key === 'string' ? key : undefined) ?? bearer;
  },
  answer: (request, behaviour) => {
    if (request.method !== 'POST') return null;
    if (request.path === '/v1/messages') return messages(request, behaviour);
    if (request.path === '/v1/messages/count_tokens') return countTokens(request, behaviour);
    return null;
  },
};

function messages(request: ModelRequest, behaviour: Behaviour): Answer {
  const refused = refuse(request, behaviour);
  if (refused !== null) return refused;
  const { body, sequence } = request;
  if (typeof body['model'] !== 'string' || !Array.isArray(body['messages']))
    return failure(400, 'model and messages are required');
  const text = behaviour.reply.replaceAll('{prompt}', lastPrompt(body['messages']));
  const message = {
    id: `msg_standin${String(sequence).padStart(8, '0')}`,
    type: 'message',
    role: 'assistant',
    model: body['model'],
    content: [{ type: 'text', text }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: usage(body, text),
  };
  if (body['stream'] !== true) return { type: 'json', status: 200, body: message, slow: true };
  const { output_tokens: outputTokens } = message.usage;
  const say = (data: { type: string; [key: string]: unknown }, slow = false) => ({
    event: data.type,
    data,
    slow,
  });
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
      say({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
      ...pieces(text).map((piece) =>
        say({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } }, true),
      ),
      say({ type: 'content_block_stop', index: 0 }),
      say({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: outputTokens },
      }),
      say({ type: 'message_stop' }),
    ],
  };
}

function countTokens(request: ModelRequest, behaviour: Behaviour): Answer {
  return (
    refuse(request, behaviour) ?? {
      type: 'json',
      status: 200,
      body: { input_tokens: usage(request.body, '').input_tokens },
    }
  );
}

function refuse({ headers }: ModelRequest, { expectKey, failStatus }: Behaviour): Answer | null {
  if (failStatus !== undefined) return failure(failStatus, 'the stand-in was told to fail');
  const key = anthropic.key(headers);
  if (key === undefined) return failure(401, 'x-api-key header is required');
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
  const last = list.findLast((one) => isObject(one) && one['role'] === 'user');
  if (!isObject(last)) return '';
  const content = last['content'];
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const block: unknown = content.findLast((one: unknown) => isObject(one) && one['type'] === 'text');
  return isObject(block) && typeof block['text'] === 'string' ? block['text'] : '';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
