import { z } from 'zod';
import type { ParsedCredential, Provider, ProviderEvent } from './provider.ts';

const FILE = '.local/share/opencode/auth.json';
/** No update of a pinned tool, no downloads of language servers; the list of models is the one that it was built with. */
const QUIET = {
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  OPENCODE_DISABLE_MODELS_FETCH: '1',
};

/** opencode speaks to many vendors' models; here with a key of Anthropic's, which its own list of models knows. */
export const opencode: Provider = {
  id: 'opencode',
  title: 'opencode',
  vendor: 'Anomaly',
  policy:
    'opencode is open source and has no plan of its own to sign in to: it works with an API key of the Claude Console, ' +
    'billed by use. Anthropic reserves plan sign-in for its own tools.',
  install: { npmPackage: 'opencode-ai', program: 'opencode' },
  apiKeyVariable: 'ANTHROPIC_API_KEY',
  apiKeyPattern: /^sk-ant-[\w-]{8,}$/,
  baseUrlVariable: 'ANTHROPIC_BASE_URL',
  methods: ['api_key'],
  login: {},
  allowedUrls: [],
  credential: {
    files: [FILE],
    // It writes through a link, and leaves the link there.
    link: { type: 'file' },
    companions: [],
    parse: (texts) => parseAuth(texts[FILE]),
  },
  status: {
    command: ['opencode', 'auth', 'list'],
    // The exit code is 0 in either case.
    read: (exitCode, output) => {
      const count = Number(/(\d+) credentials/.exec(output)?.[1] ?? 0);
      const signedIn = exitCode === 0 && count > 0;
      return { signedIn, words: signedIn ? 'opencode has a key' : 'opencode has no key' };
    },
  },
  logout: ['opencode', 'auth', 'logout', 'anthropic'],
  interactive: { command: ['opencode'], env: QUIET },
  headless: (prompt, { baseUrl, model, conversationId }) => ({
    command: [
      // Nobody is there to be asked, and the VM is the fence.
      ...['opencode', 'run', '--format', 'json', '--auto'],
      ...(model === undefined ? [] : ['--model', model.includes('/') ? model : `anthropic/${model}`]),
      ...(conversationId === undefined ? [] : ['--session', conversationId]),
    ],
    env: {
      ...QUIET,
      // It wants the API's version in there, where Anthropic's own tools don't.
      ...(baseUrl === undefined
        ? {}
        : { ANTHROPIC_BASE_URL: `${baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1` }),
    },
    stdin: prompt,
  }),
  readEvent,
  readExit: (exitCode, stderrTail) => {
    if (exitCode === 0) return [];
    // Before there is a session its errors are for people, in red.
    const message = /Error: (?:\u001b\[0m)?([^\n]+)/.exec(stderrTail)?.[1];
    return message === undefined ? [] : [{ type: 'error', message }];
  },
};

const authSchema = z.record(z.string(), z.object({ type: z.string() }));

function parseAuth(text: string | undefined): ParsedCredential {
  if (text === undefined) return { ok: false, reason: `${FILE} is not there` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's words would quote the secret.
    return { ok: false, reason: `${FILE} is not JSON` };
  }
  const parsed = authSchema.safeParse(value);
  const names = parsed.success ? Object.keys(parsed.data) : [];
  if (names.length === 0) return { ok: false, reason: `${FILE} has no key` };
  return { ok: true, account: names.join(', '), expiresAtMs: null, refreshable: false };
}

/** Lines of `opencode run --format json`, as far as they are read here (1.18.33). */
const lineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('step_start'), sessionID: z.string() }),
  z.object({ type: z.literal('text'), part: z.object({ text: z.string() }) }),
  z.object({
    type: z.literal('tool_use'),
    part: z.object({
      tool: z.string(),
      callID: z.string(),
      state: z.object({
        input: z.unknown(),
        output: z.string().optional(),
        error: z.string().optional(),
        metadata: z.object({ exit: z.int().nullish() }).optional(),
      }),
    }),
  }),
  z.object({
    type: z.literal('step_finish'),
    part: z.object({
      reason: z.string(),
      tokens: z.object({
        input: z.int(),
        output: z.int(),
        cache: z.object({ read: z.int(), write: z.int() }),
      }),
    }),
  }),
  z.object({
    type: z.literal('error'),
    error: z.object({
      name: z.string(),
      data: z.object({ message: z.string().optional(), statusCode: z.int().optional() }).optional(),
    }),
  }),
]);

function readEvent(line: string): ProviderEvent[] {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // A line beside the events.
    return [];
  }
  const parsed = lineSchema.safeParse(value);
  return parsed.success ? toEvents(parsed.data) : [];
}

function toEvents(line: z.infer<typeof lineSchema>): ProviderEvent[] {
  switch (line.type) {
    case 'step_start':
      return [{ type: 'metadata', conversationId: line.sessionID }];
    case 'text':
      return [{ type: 'text', text: line.part.text }];
    case 'tool_use': {
      // One line when the call is over.
      const { tool: name, callID: id, state } = line.part;
      const exit = state.metadata?.exit ?? 0;
      return [
        { type: 'tool', phase: 'started', id, name, input: state.input },
        {
          type: 'tool',
          phase: 'finished',
          id,
          output: state.output ?? state.error ?? '',
          isError: state.error !== undefined || exit !== 0,
        },
      ];
    }
    case 'step_finish': {
      const { input, output, cache } = line.part.tokens;
      return [
        { type: 'usage', inputTokens: input + cache.read + cache.write, outputTokens: output },
        ...(line.part.reason === 'tool-calls' ? [] : [{ type: 'finished' as const }]),
      ];
    }
    case 'error': {
      const message = line.error.data?.message ?? line.error.name;
      return [
        ...(line.error.data?.statusCode === 401 ? [{ type: 'needs_login' as const, message }] : []),
        { type: 'error', message },
        { type: 'finished' },
      ];
    }
  }
}
