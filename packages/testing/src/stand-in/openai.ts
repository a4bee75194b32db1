import { accessOf, CODEX_ACCOUNT_ID } from './codex-tokens.ts';
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

const CHARACTERS_PER_TOKEN = 4;

/** The Responses API as codex uses it, with a key (api.openai.com) or a ChatGPT sign-in (chatgpt.com/backend-api/codex). */
export const openai: ModelApi = {
  key: (headers) => /^Bearer +(\S+)$/i.exec(String(headers['authorization'] ?? ''))?.[1],
  answer: (request, surroundings) => {
    switch (`${request.method} ${request.path}`) {
      case 'POST /v1/responses':
      case 'POST /backend-api/codex/responses':
        return refuse(request, surroundings) ?? responses(request, surroundings.behaviour.reply);
      // Without these two codex asks no model: they say where the account's workspace is, and which models it may use.
      case 'GET /backend-api/wham/accounts/check':
        return refuse(request, surroundings) ?? json(200, ACCOUNTS);
      case 'GET /v1/models':
      case 'GET /backend-api/codex/models':
        return json(200, { models: [] });
      default:
        return null;
    }
  },
};

const ACCOUNTS = {
  accounts: [
    {
      id: CODEX_ACCOUNT_ID,
      structure: 'personal',
      plan_type: 'plus',
      is_deactivated: false,
      workspace_backend_origin: 'NO_CONSTRAINT',
      account_routing_override: 'NO_CONSTRAINT',
    },
  ],
  account_ordering: [CODEX_ACCOUNT_ID],
  default_account_id: CODEX_ACCOUNT_ID,
};

type Item =
  | { type: 'message'; id: string; role: 'assistant'; content: object[] }
  | { type: 'function_call'; id: string; call_id: string; name: string; arguments: string }
  | { type: 'custom_tool_call'; id: string; call_id: string; name: string; input: string };

function responses({ body, sequence }: ModelRequest, reply: string): Answer {
  const { model, input } = body;
  if (typeof model !== 'string' || !Array.isArray(input))
    return failure(400, 'missing_required_parameter', 'model and input are required');
  const number = String(sequence).padStart(8, '0');
  const text = nextText(input, reply);
  const item: Item =
    typeof text === 'string'
      ? {
          type: 'message',
          id: `msg_standin${number}`,
          role: 'assistant',
          content: [{ type: 'output_text', text, annotations: [] }],
        }
      : (callOf(text.command, body, number) ?? {
          type: 'message',
          id: `msg_standin${number}`,
          role: 'assistant',
          content: [{ type: 'output_text', text: 'There is no shell to run it.', annotations: [] }],
        });
  const response = {
    id: `resp_standin${number}`,
    object: 'response',
    model,
    status: 'completed',
    output: [item],
    usage: usage(input, JSON.stringify(item)),
  };
  if (body['stream'] !== true) return { type: 'json', status: 200, body: response, slow: true };
  return {
    type: 'events',
    events: [
      say({ type: 'response.created', response: { ...response, status: 'in_progress', output: [] } }),
      ...(item.type === 'message' && typeof text === 'string' ? deltas(item, text) : []),
      say({ type: 'response.output_item.done', output_index: 0, item: { ...item, status: 'completed' } }),
      say({ type: 'response.completed', response }),
    ],
  };
}

/** The reply; or, for the prompt `run: COMMAND`, the command, and what it said once it ran. */
function nextText(input: readonly unknown[], reply: string): string | { command: string } {
  const last = input.filter(isObject).findLast((item) => isPrompt(item) || isToolOutput(item));
  if (last === undefined) return reply.replaceAll('{prompt}', '');
  if (isToolOutput(last)) return `The command said: ${toolOutput(last['output'])}`;
  const prompt = lastText(last['content']);
  const command = commandAskedFor(prompt);
  return command === null ? reply.replaceAll('{prompt}', prompt) : { command };
}

const isPrompt = (item: Record<string, unknown>): boolean => item['role'] === 'user';
const isToolOutput = (item: Record<string, unknown>): boolean =>
  item['type'] === 'function_call_output' || item['type'] === 'custom_tool_call_output';

/** Of the last part with a text. */
function lastText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const part: unknown = content.findLast((one) => isObject(one) && typeof one['text'] === 'string');
  return isObject(part) ? String(part['text']) : '';
}

/** codex wraps what a command printed: {"output": "…", "exit_code": 0} */
function toolOutput(output: unknown): string {
  const text = lastText(output);
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && typeof value['output'] === 'string' ? value['output'] : text;
  } catch {
    return text;
  }
}

/** codex gives its model either a shell, or an `exec` that runs JavaScript, in which the shell is a function. */
function callOf(command: string, body: ModelRequest['body'], number: string): Item | null {
  const names = toolNames(body);
  const ids = { id: `fc_standin${number}`, call_id: `call_standin${number}` };
  if (names.includes('exec_command'))
    return {
      type: 'function_call',
      ...ids,
      name: 'exec_command',
      arguments: JSON.stringify({ cmd: command }),
    };
  if (!names.includes('exec')) return null;
  const script = `text(await tools.exec_command({ cmd: ${JSON.stringify(command)} }));`;
  return { type: 'custom_tool_call', ...ids, id: `ctc_standin${number}`, name: 'exec', input: script };
}

/** Tools are in `tools`, in the input (`additional_tools`), and in namespaces of either. */
function toolNames({ tools, input }: ModelRequest['body']): string[] {
  const named = (list: unknown): string[] =>
    Array.isArray(list)
      ? list
          .filter(isObject)
          .flatMap((tool) => [String(tool['name'] ?? tool['type']), ...named(tool['tools'])])
      : [];
  const inInput = Array.isArray(input)
    ? input.filter(isObject).filter(({ type }) => type === 'additional_tools')
    : [];
  return [...named(tools), ...inInput.flatMap((item) => named(item['tools']))];
}

function deltas(item: Item, text: string): ServerSentEvent[] {
  const at = { item_id: item.id, output_index: 0, content_index: 0 };
  return [
    say({ type: 'response.output_item.added', output_index: 0, item: { ...item, content: [] } }),
    ...pieces(text).map((delta) => say({ type: 'response.output_text.delta', ...at, delta }, true)),
  ];
}

function say(data: { type: string; [key: string]: unknown }, slow = false): ServerSentEvent {
  return { event: data.type, data, slow };
}

function usage(input: unknown, answer: string) {
  const inputTokens = Math.ceil(JSON.stringify(input).length / CHARACTERS_PER_TOKEN);
  const outputTokens = Math.ceil(answer.length / CHARACTERS_PER_TOKEN);
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  };
}

function refuse({ headers }: ModelRequest, { behaviour, ledger }: Surroundings): Answer | null {
  const { expectKey, failStatus } = behaviour;
  if (failStatus !== undefined)
    return failure(
      failStatus,
      failStatus === 401 ? 'invalid_api_key' : 'server_error',
      'the stand-in was told to fail',
    );
  const key = openai.key(headers);
  if (key === undefined) return failure(401, 'missing_api_key', 'Missing bearer authentication in header');
  const state = ledger.stateOf(accessOf(key) ?? key);
  if (state === 'expired') return failure(401, 'token_expired', 'Provided authentication token is expired.');
  if (state === 'revoked') return failure(401, 'token_revoked', 'Provided authentication token was revoked.');
  if (state === 'valid') return null;
  return expectKey !== undefined && key !== expectKey
    ? failure(401, 'invalid_api_key', 'Incorrect API key provided.')
    : null;
}

function failure(status: number, code: string, message: string): Answer {
  return json(status, { error: { message, type: 'invalid_request_error', param: null, code } });
}

function json(status: number, body: object): Answer {
  return { type: 'json', status, body };
}
