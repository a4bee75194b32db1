import { z } from 'zod';
import { parseObject } from './jwt.ts';
import type { ProviderEvent } from './provider.ts';

/** Shapes of `gemini -o stream-json`, as far as they are read here (0.61.0). */
const eventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('init'), session_id: z.string(), model: z.string() }),
  z.object({ type: z.literal('message'), role: z.string(), content: z.string() }),
  z.object({
    type: z.literal('tool_use'),
    tool_name: z.string(),
    tool_id: z.string(),
    parameters: z.unknown(),
  }),
  z.object({
    type: z.literal('tool_result'),
    tool_id: z.string(),
    status: z.string(),
    output: z.string().optional(),
    error: z.object({ message: z.string() }).optional(),
  }),
  z.object({ type: z.literal('error'), message: z.string() }),
  z.object({
    type: z.literal('result'),
    status: z.string(),
    error: z.object({ message: z.string() }).optional(),
    stats: z.object({ input_tokens: z.number(), output_tokens: z.number() }).optional(),
  }),
]);

export function readGeminiLine(line: string): ProviderEvent[] {
  const parsed = eventSchema.safeParse(parseObject(line));
  if (!parsed.success) return [];
  const event = parsed.data;
  switch (event.type) {
    case 'init':
      return [{ type: 'metadata', conversationId: event.session_id, model: event.model }];
    case 'message':
      // The prompt comes back as a message too.
      return event.role === 'assistant' ? [{ type: 'text', text: event.content }] : [];
    case 'tool_use':
      return [
        { type: 'tool', phase: 'started', id: event.tool_id, name: event.tool_name, input: event.parameters },
      ];
    case 'tool_result': {
      const output = event.output ?? event.error?.message ?? '';
      return [
        { type: 'tool', phase: 'finished', id: event.tool_id, output, isError: event.status !== 'success' },
      ];
    }
    case 'error':
      return [{ type: 'error', message: event.message }];
    case 'result': {
      const { status, error, stats } = event;
      const message = error?.message ?? 'the run failed';
      return [
        ...(stats === undefined
          ? []
          : [
              {
                type: 'usage' as const,
                inputTokens: stats.input_tokens,
                outputTokens: stats.output_tokens,
              },
            ]),
        ...(status === 'success' ? [] : refusalOf(message)),
        { type: 'finished' },
      ];
    }
  }
}

/** gemini's own code for "no login"; it says so on standard error alone. */
const NO_LOGIN = 41;

/** What ends a run before its first event, e.g. a login that Google refuses, is on standard error alone. */
export function readGeminiExit(exitCode: number, stderrTail: string): ProviderEvent[] {
  if (exitCode === 0) return [];
  const text = stderrTail.replace(/\u001b\[[0-9;]*m/g, '');
  const first = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1];
  const noStart = first(
    /^(Please set an Auth method.*|Manual authorization is required.*|Invalid auth method.*)$/m,
  );
  const refused =
    first(/^Error authenticating: (?:\w*Error: )?(.+)$/m) ??
    first(/^An unexpected critical error occurred: *(?:\w*Error: )?(.+)$/m);
  if (exitCode === NO_LOGIN) return needsLogin(noStart ?? refused ?? 'gemini has no login');
  if (refused !== undefined) return refusalOf(text, refused);
  const other = first(/^Error resuming session: (.+)$/m);
  return other === undefined ? [] : [{ type: 'error', message: other }];
}

/** @param text where the refusal is looked for; @param message what is shown */
function refusalOf(text: string, message = text): ProviderEvent[] {
  return /\b401\b|UNAUTHENTICATED|API key not valid|API_KEY_INVALID|invalid_grant/.test(text)
    ? needsLogin(message)
    : [{ type: 'error', message }];
}

function needsLogin(message: string): ProviderEvent[] {
  return [
    { type: 'needs_login', message: 'Gemini CLI has no login or API key that Google accepts' },
    { type: 'error', message },
  ];
}
