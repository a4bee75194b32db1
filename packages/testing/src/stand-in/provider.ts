/** What the stand-in does; the same for every provider's API. */
export interface Behaviour {
  /** The answer; `{prompt}` in it becomes the last thing that the user said. */
  reply: string;
  /** Milliseconds before each piece of the answer. */
  delayMs: number;
  /** The one key that is taken; any where left out, but never none. */
  expectKey?: string;
  /** Every model call is refused with this status. */
  failStatus?: number;
}

/** A request as a provider sees it, its body parsed. */
export interface ModelRequest {
  method: string;
  /** Without query. */
  path: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Readonly<Record<string, unknown>>;
  /** Counts requests; makes ids in answers unique. */
  sequence: number;
}

export interface ServerSentEvent {
  event?: string;
  data: unknown;
  /** Waits Behaviour.delayMs before it. */
  slow?: boolean;
}

export type Answer =
  | { type: 'json'; status: number; body: unknown; slow?: boolean }
  | { type: 'events'; events: ServerSentEvent[] };

/** One provider's API, as much of it as its command line tool uses. */
export interface ModelApi {
  name: string;
  /** The key that the caller sent. */
  key(headers: ModelRequest['headers']): string | undefined;
  /** null where the path is not of this provider. */
  answer(request: ModelRequest, behaviour: Behaviour): Answer | null;
}

/** Splits an answer as a model does: word by word, spaces kept. */
export function pieces(text: string): string[] {
  return text.match(/\s*\S+(\s+$)?/g) ?? [text];
}
