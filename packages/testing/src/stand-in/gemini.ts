import {
  commandAskedFor,
  isObject,
  pieces,
  type Answer,
  type ModelApi,
  type ModelRequest,
  type Surroundings,
} from './provider.ts';

const CHARACTERS_PER_TOKEN = 4;

/** generateContent, streamed and whole, with a key (generativelanguage) or a Google sign-in (cloudcode-pa, which wraps it). */
export const gemini: ModelApi = {
  key: (headers) => {
    const key = headers['x-goog-api-key'];
    const bearer = /^Bearer +(\S+)$/i.exec(String(headers['authorization'] ?? ''))?.[1];
    return typeof key === 'string' ? key : bearer;
  },
  answer: (request, surroundings) => {
    if (request.method !== 'POST') return null;
    const [, model, call] = /^\/v1beta\/models\/([^/:]+):(\w+)$/.exec(request.path) ?? [];
    const [, assist] = /^\/v1internal:(\w+)$/.exec(request.path) ?? [];
    if (call !== undefined)
      return (
        refuse(request, surroundings) ?? generate(call, request, request.body, String(model), surroundings)
      );
    if (assist === undefined) return null;
    return refuse(request, surroundings) ?? codeAssist(assist, request, surroundings);
  },
};

const TIER = { id: 'free-tier', name: 'Free', isDefault: true };
const PROJECT = 'fake-project';

/** What a Google sign-in talks to: the account's tier and project, and the model in an envelope. */
function codeAssist(call: string, request: ModelRequest, surroundings: Surroundings): Answer {
  const { body } = request;
  switch (call) {
    case 'loadCodeAssist':
      return json(200, { currentTier: TIER, allowedTiers: [TIER], cloudaicompanionProject: PROJECT });
    case 'onboardUser':
      return json(200, { done: true, response: { cloudaicompanionProject: { id: PROJECT } } });
    case 'generateContent':
    case 'streamGenerateContent':
    case 'countTokens': {
      const inner = isObject(body['request']) ? body['request'] : {};
      const answer = generate(call, request, inner, String(body['model']), surroundings);
      const wrap = (response: unknown): object => ({ response, traceId: 'standin' });
      if (answer.type === 'events')
        return { ...answer, events: answer.events.map((event) => ({ ...event, data: wrap(event.data) })) };
      return answer.type === 'json' && answer.status === 200 && call === 'generateContent'
        ? { ...answer, body: wrap(answer.body) }
        : answer;
    }
    default:
      // Quota, experiments, metrics: nothing to say, but a 404 would end the tool.
      return json(200, {});
  }
}

function generate(
  call: string,
  { sequence }: ModelRequest,
  body: Readonly<Record<string, unknown>>,
  model: string,
  { behaviour }: Surroundings,
): Answer {
  const contents = body['contents'];
  if (call === 'countTokens') return json(200, { totalTokens: tokens(contents) });
  if (!Array.isArray(contents)) return failure(400, 'INVALID_ARGUMENT', 'contents is required');
  const parts = nextParts(body, contents, behaviour.reply);
  const one = (some: object[], last: boolean): object => ({
    candidates: [
      { content: { role: 'model', parts: some }, index: 0, ...(last ? { finishReason: 'STOP' } : {}) },
    ],
    usageMetadata: {
      promptTokenCount: tokens(contents),
      candidatesTokenCount: tokens(parts),
      totalTokenCount: tokens(contents) + tokens(parts),
    },
    modelVersion: model,
    responseId: `standin${String(sequence).padStart(8, '0')}`,
  });
  if (call === 'generateContent') return { type: 'json', status: 200, body: one(parts, true), slow: true };
  const chunks = parts.flatMap<Part>((part) =>
    'text' in part ? pieces(part.text).map((text) => ({ text })) : [part],
  );
  return {
    type: 'events',
    events: chunks.map((part, index) => ({ data: one([part], index === chunks.length - 1), slow: true })),
  };
}

type Part = { text: string } | { functionCall: { name: string; args: object } };

/** The reply; or, for the prompt `run: COMMAND`, a call of the tool's shell, and what it said once it ran. */
function nextParts(
  body: Readonly<Record<string, unknown>>,
  contents: readonly unknown[],
  reply: string,
): Part[] {
  if (wantsJson(body['generationConfig'])) return [{ text: JSON.stringify(ROUTING) }];
  const last = contents.findLast((one) => isObject(one) && one['role'] !== 'model');
  const given = isObject(last) && Array.isArray(last['parts']) ? last['parts'].filter(isObject) : [];
  const said = given.map((part) => part['functionResponse']).find(isObject);
  if (said !== undefined) return [{ text: `The command said: ${toolOutput(said['response'])}` }];
  const text = given.findLast((part) => typeof part['text'] === 'string')?.['text'];
  const prompt = typeof text === 'string' ? text : '';
  const command = commandAskedFor(prompt);
  if (command === null || !hasShell(body['tools'])) return [{ text: reply.replaceAll('{prompt}', prompt) }];
  const args = { command, description: 'Run what was asked for' };
  return [{ functionCall: { name: 'run_shell_command', args } }];
}

/** Side questions of the tool (which model, who speaks next) want an object; this one has what they ask for. */
const ROUTING = {
  reasoning: 'the stand-in has one model',
  model_choice: 'flash',
  complexity_reasoning: 'none',
  complexity_score: 1,
  next_speaker: 'user',
};

function wantsJson(config: unknown): boolean {
  return isObject(config) && config['responseMimeType'] === 'application/json';
}

function toolOutput(response: unknown): string {
  const output = isObject(response) ? (response['output'] ?? response['error']) : undefined;
  if (typeof output !== 'string') return JSON.stringify(response);
  // gemini wraps what a command printed: <untrusted_context> Output: … Process Group PGID: 1 </untrusted_context>
  return /Output: ([^]*?)\nProcess Group/.exec(output)?.[1] ?? output;
}

function hasShell(tools: unknown): boolean {
  return (
    Array.isArray(tools) &&
    tools
      .filter(isObject)
      .some(
        ({ functionDeclarations: list }) =>
          Array.isArray(list) && list.filter(isObject).some(({ name }) => name === 'run_shell_command'),
      )
  );
}

function tokens(value: unknown): number {
  return Math.ceil(JSON.stringify(value ?? '').length / CHARACTERS_PER_TOKEN);
}

function refuse({ headers, query }: ModelRequest, { behaviour, ledger }: Surroundings): Answer | null {
  const { expectKey, failStatus } = behaviour;
  if (failStatus !== undefined)
    return failure(failStatus, STATUS[failStatus] ?? 'INTERNAL', 'the stand-in was told to fail');
  const key = gemini.key(headers) ?? query.get('key');
  if (key === null) return failure(403, 'PERMISSION_DENIED', "Method doesn't allow unregistered callers.");
  const state = ledger.stateOf(key);
  if (state === 'expired' || state === 'revoked')
    return failure(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.');
  if (state === 'valid' || expectKey === undefined || key === expectKey) return null;
  // Google's word for a wrong key is 400.
  return failure(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.');
}

const STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
};

function failure(code: number, status: string, message: string): Answer {
  return json(code, { error: { code, message, status } });
}

function json(status: number, body: object): Answer {
  return { type: 'json', status, body };
}
