import { z } from 'zod';
import { parseObject } from './jwt.ts';
import type { ProviderEvent } from './provider.ts';

const itemSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('agent_message'), text: z.string() }),
  z.object({
    type: z.literal('command_execution'),
    id: z.string(),
    command: z.string(),
    aggregated_output: z.string(),
    exit_code: z.number().nullable(),
  }),
  z.object({
    type: z.literal('mcp_tool_call'),
    id: z.string(),
    server: z.string(),
    tool: z.string(),
    arguments: z.unknown().optional(),
    result: z.unknown().optional(),
    error: z.unknown().optional(),
  }),
  z.object({
    type: z.literal('file_change'),
    id: z.string(),
    changes: z.array(z.unknown()),
    status: z.string(),
  }),
  z.object({ type: z.literal('web_search'), id: z.string(), query: z.string() }),
]);

/** Shapes of `codex exec --json`, as far as they are read here (0.169.0). */
const eventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('thread.started'), thread_id: z.string() }),
  z.object({ type: z.literal('item.started'), item: itemSchema }),
  z.object({ type: z.literal('item.completed'), item: itemSchema }),
  z.object({
    type: z.literal('turn.completed'),
    usage: z.object({ input_tokens: z.number(), output_tokens: z.number() }),
  }),
  z.object({ type: z.literal('turn.failed'), error: z.object({ message: z.string() }) }),
]);
type Item = z.infer<typeof itemSchema>;

/**
 * An `error` event is left out on purpose: it is one of the retries ("Reconnecting… 2/5"), or what turn.failed says too.
 * So are items of type error: they are notices.
 */
export function readCodexLine(line: string): ProviderEvent[] {
  const parsed = eventSchema.safeParse(parseObject(line));
  if (!parsed.success) return [];
  const event = parsed.data;
  switch (event.type) {
    case 'thread.started':
      return [{ type: 'metadata', conversationId: event.thread_id }];
    case 'item.started':
      return itemStarted(event.item);
    case 'item.completed':
      return itemCompleted(event.item);
    case 'turn.completed':
      return [
        // Of the whole conversation so far, as codex counts it.
        { type: 'usage', inputTokens: event.usage.input_tokens, outputTokens: event.usage.output_tokens },
        { type: 'finished' },
      ];
    case 'turn.failed': {
      const { message } = event.error;
      return [
        ...(wantsLogin(message)
          ? [{ type: 'needs_login' as const, message: 'Codex has no login or API key that OpenAI accepts' }]
          : []),
        { type: 'error', message },
        { type: 'finished' },
      ];
    }
  }
}

/** A 401 of the model or the account, and a refresh token that was used, revoked or has ended. */
function wantsLogin(message: string): boolean {
  return /\b401\b|unauthorized|(log|sign) in again|not logged in|codex login/i.test(message);
}

function itemStarted(item: Item): ProviderEvent[] {
  switch (item.type) {
    case 'command_execution':
      return [
        { type: 'tool', phase: 'started', id: item.id, name: 'shell', input: { command: item.command } },
      ];
    case 'mcp_tool_call': {
      const name = `${item.server}.${item.tool}`;
      return [{ type: 'tool', phase: 'started', id: item.id, name, input: item.arguments }];
    }
    default:
      // Told whole at its end.
      return [];
  }
}

function itemCompleted(item: Item): ProviderEvent[] {
  switch (item.type) {
    case 'agent_message':
      // Messages come whole, several in a turn: each is a paragraph.
      return [{ type: 'text', text: `${item.text}\n` }];
    case 'command_execution':
      return [finished(item.id, item.aggregated_output, item.exit_code !== 0)];
    case 'mcp_tool_call': {
      const output = item.error ?? item.result ?? '';
      const text = typeof output === 'string' ? output : JSON.stringify(output);
      return [finished(item.id, text, item.error != null)];
    }
    case 'file_change':
      return [
        { type: 'tool', phase: 'started', id: item.id, name: 'edit', input: { changes: item.changes } },
        finished(item.id, '', item.status === 'failed'),
      ];
    case 'web_search':
      return [
        { type: 'tool', phase: 'started', id: item.id, name: 'web_search', input: { query: item.query } },
        finished(item.id, '', false),
      ];
  }
}

function finished(id: string, output: string, isError: boolean): ProviderEvent {
  return { type: 'tool', phase: 'finished', id, output, isError };
}
