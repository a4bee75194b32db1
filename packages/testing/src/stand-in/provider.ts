import type { TokenLedger } from './token-ledger.ts';

/** What the stand-in does; every provider has one of its own, switchable at run time (see control.ts). */
export interface Behaviour {
  /** The answer; `{prompt}` in it becomes the last thing that the user said. */
  reply: string;
  /** Milliseconds before each piece of the answer. */
  delayMs: number;
  /** The one key that is taken; any where left out, but never none. */
  expectKey?: string;
  /** Every model call is refused with this status. */
  failStatus?: number;
  /** Lifetime of access tokens that are issued from now on. */
  accessTokenSeconds: number;
}

/** A request as a provider sees it, its body parsed. */
export interface ModelRequest {
  method: string;
  /** The name that was asked, without port. */
  host: string;
  /** Without query. */
  path: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** JSON object or form; empty where there is none. */
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
  | { type: 'events'; events: ServerSentEvent[] }
  | { type: 'page'; status: number; html: string }
  | { type: 'redirect'; location: string };

/** What an answer depends on, beside the request. */
export interface Surroundings {
  behaviour: Readonly<Behaviour>;
  /** Of this provider. */
  ledger: TokenLedger;
}

/** One provider's model API, as much of it as its command line tool uses. */
export interface ModelApi {
  /** The key or token that the caller sent. */
  key(headers: ModelRequest['headers']): string | undefined;
  /** null where the path is not of this API. */
  answer(request: ModelRequest, surroundings: Surroundings): Answer | null;
}

/** One provider's sign-in server: authorize page, token endpoint, whatever its tool asks about the account. */
export interface OAuthServer {
  /** null where the path is not of this server; where two servers share a path, the client id decides. */
  answer(request: ModelRequest, surroundings: Surroundings): Answer | null;
}

/** Everything that stands in for one provider. */
export interface ProviderStandIn {
  /** In the record, in tokens (`fake-NAME-access-…`) and in the control's paths. */
  name: string;
  /** Names that it answers for, all at one address; no other provider is asked for these. */
  hosts: readonly string[];
  model: ModelApi;
  oauth: OAuthServer;
}

/** Splits an answer as a model does: word by word, spaces kept. */
export function pieces(text: string): string[] {
  return text.match(/\s*\S+(\s+$)?/g) ?? [text];
}

/** A prompt `run: COMMAND` makes the model call the tool's shell with COMMAND, once. */
export function commandAskedFor(prompt: string): string | null {
  return /^run: (.+)$/m.exec(prompt)?.[1] ?? null;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
