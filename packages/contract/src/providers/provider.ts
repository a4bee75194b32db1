/** One CLI tool, described once and read by agent, controller, command line and web. */
export interface Provider {
  id: ProviderId;
  /** As shown to people. */
  title: string;
  /** Environment variable in which the tool expects an API key. */
  apiKeyVariable: string;
  /** Environment variable that points the tool to another server than its maker's. */
  baseUrlVariable: string;
  /** One prompt, headless: command and environment (without the key). */
  headless(
    prompt: string,
    options: { baseUrl?: string; model?: string },
  ): { command: string[]; env: Record<string, string> };
  /** Reads the tool's event stream; gets one line of its standard output. */
  readEvent(line: string): RunEvent[];
}

export const providerIds = ['claude_code'] as const;
export type ProviderId = (typeof providerIds)[number];

/** What a run says, in one form over all providers. */
export type RunEvent =
  /** A piece of the answer as it comes. */
  | { type: 'text'; text: string }
  /** The tool wants a sign-in or another key. */
  | { type: 'needs_login'; message: string }
  | { type: 'error'; message: string }
  | { type: 'done' };
