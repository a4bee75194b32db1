import { z } from 'zod';
import type { Provider, RunEvent } from './provider.ts';

/** Shapes of `claude -p --output-format stream-json`, as far as they are read here (2.1.330). */
const eventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('stream_event'),
    event: z.object({
      type: z.string(),
      delta: z.object({ type: z.string(), text: z.string().optional() }).optional(),
    }),
  }),
  z.object({ type: z.literal('assistant'), error: z.string().optional() }),
  z.object({ type: z.literal('result'), is_error: z.boolean(), result: z.string().optional() }),
]);

export const claudeCode: Provider = {
  id: 'claude_code',
  title: 'Claude Code',
  apiKeyVariable: 'ANTHROPIC_API_KEY',
  baseUrlVariable: 'ANTHROPIC_BASE_URL',
  headless: (prompt, { baseUrl, model }) => ({
    command: [
      'claude',
      '-p',
      '--output-format',
      'stream-json',
      '--verbose',
      '--include-partial-messages',
      ...(model === undefined ? [] : ['--model', model]),
      // After `--` a prompt that begins with a dash is still a prompt.
      '--',
      prompt,
    ],
    env: {
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      // The tool's own 10 retries last minutes, for a wrong key and a dead server too; 3 take 4 s and outlast a hiccup.
      CLAUDE_CODE_MAX_RETRIES: '3',
      ...(baseUrl === undefined ? {} : { ANTHROPIC_BASE_URL: baseUrl }),
    },
  }),
  readEvent: (line) => {
    const parsed = eventSchema.safeParse(parseLine(line));
    if (!parsed.success) return [];
    return toRunEvents(parsed.data);
  },
};

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // The tool prints a plain line now and then; it is no event.
    return undefined;
  }
}

function toRunEvents(event: z.infer<typeof eventSchema>): RunEvent[] {
  switch (event.type) {
    case 'stream_event': {
      const text = event.event.delta?.text;
      return event.event.delta?.type === 'text_delta' && text !== undefined ? [{ type: 'text', text }] : [];
    }
    case 'assistant':
      return event.error === 'authentication_failed'
        ? [{ type: 'needs_login', message: 'Claude Code refused the API key, or has none' }]
        : [];
    case 'result':
      return event.is_error
        ? [{ type: 'error', message: event.result ?? 'the run failed' }, { type: 'done' }]
        : [{ type: 'done' }];
  }
}
