import { z } from 'zod';
import type { ProviderEvent } from './provider.ts';

const textBlock = z.object({ type: z.literal('text'), text: z.string() });
const blockSchema = z.discriminatedUnion('type', [
  textBlock,
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.unknown() }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: z.union([z.string(), z.array(z.unknown())]).optional(),
    is_error: z.boolean().nullish(),
  }),
]);

/** Of a subagent, where it isn't null: its words are no part of the answer. */
const parent = { parent_tool_use_id: z.string().nullish() };

/** Shapes of `claude -p --output-format stream-json`, as far as they are read here (2.1.330). */
const lineSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('system'),
    subtype: z.string(),
    session_id: z.string().optional(),
    model: z.string().optional(),
  }),
  z.object({
    type: z.literal('stream_event'),
    event: z.object({ delta: z.object({ type: z.string(), text: z.string().optional() }).optional() }),
    ...parent,
  }),
  z.object({
    type: z.literal('assistant'),
    error: z.string().optional(),
    message: z.object({ content: z.array(z.unknown()) }),
    ...parent,
  }),
  z.object({
    type: z.literal('user'),
    message: z.object({ content: z.union([z.string(), z.array(z.unknown())]) }),
    ...parent,
  }),
  z.object({
    type: z.literal('result'),
    is_error: z.boolean(),
    result: z.string().optional(),
    errors: z.array(z.string()).optional(),
    usage: z
      .object({
        input_tokens: z.int(),
        cache_creation_input_tokens: z.int().optional(),
        cache_read_input_tokens: z.int().optional(),
        output_tokens: z.int(),
      })
      .optional(),
  }),
]);
type Line = z.infer<typeof lineSchema>;
type Block = z.infer<typeof blockSchema>;

/** One line of claude's event stream; a line that it prints beside its events says nothing. */
export function readClaudeLine(line: string): ProviderEvent[] {
  const parsed = lineSchema.safeParse(parseLine(line));
  return parsed.success ? toEvents(parsed.data) : [];
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // The tool prints a plain line now and then; it is no event.
    return undefined;
  }
}

function toEvents(line: Line): ProviderEvent[] {
  switch (line.type) {
    case 'system':
      if (line.subtype !== 'init') return [];
      return [
        {
          type: 'metadata',
          ...(line.session_id === undefined ? {} : { conversationId: line.session_id }),
          ...(line.model === undefined ? {} : { model: line.model }),
        },
      ];
    case 'stream_event': {
      const { delta } = line.event;
      if (isSubagents(line) || delta?.type !== 'text_delta' || delta.text === undefined) return [];
      return [{ type: 'text', text: delta.text }];
    }
    case 'assistant':
      return fromAssistant(line);
    case 'user':
      return blocksOf(line.message.content).flatMap((block) =>
        block.type === 'tool_result'
          ? [
              {
                type: 'tool' as const,
                phase: 'finished' as const,
                id: block.tool_use_id,
                output: textOf(block.content),
                isError: block.is_error === true,
              },
            ]
          : [],
      );
    case 'result':
      return fromResult(line);
  }
}

function fromAssistant(line: Extract<Line, { type: 'assistant' }>): ProviderEvent[] {
  // The answer's text came piece by piece before.
  if (line.error === 'authentication_failed')
    return [
      { type: 'needs_login', message: textOf(line.message.content) || 'Claude Code asks for a sign-in' },
    ];
  return blocksOf(line.message.content).flatMap((block) =>
    block.type === 'tool_use'
      ? [
          {
            type: 'tool' as const,
            phase: 'started' as const,
            id: block.id,
            name: block.name,
            input: block.input,
          },
        ]
      : [],
  );
}

function fromResult({
  is_error: isError,
  result,
  errors,
  usage,
}: Extract<Line, { type: 'result' }>): ProviderEvent[] {
  const events: ProviderEvent[] = [];
  if (usage !== undefined)
    events.push({
      type: 'usage',
      inputTokens:
        usage.input_tokens + (usage.cache_creation_input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0),
      outputTokens: usage.output_tokens,
    });
  // The subtype says "success" even then.
  if (isError) events.push({ type: 'error', message: result ?? errors?.join('; ') ?? 'the run failed' });
  events.push({ type: 'finished' });
  return events;
}

function isSubagents(line: { parent_tool_use_id?: string | null | undefined }): boolean {
  return typeof line.parent_tool_use_id === 'string';
}

function blocksOf(content: string | readonly unknown[]): Block[] {
  if (typeof content === 'string') return [];
  return content.flatMap((one) => {
    const block = blockSchema.safeParse(one);
    return block.success ? [block.data] : [];
  });
}

function textOf(content: string | readonly unknown[] | undefined): string {
  if (typeof content === 'string') return content;
  return (content ?? [])
    .flatMap((one) => {
      const block = textBlock.safeParse(one);
      return block.success ? [block.data.text] : [];
    })
    .join('\n');
}
