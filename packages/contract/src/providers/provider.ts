import type { ProviderId } from './provider-id.ts';

/**
 * How a person connects a provider. browser: signs in on the desktop of a browser VM, the callback completes inside it;
 * device_code: types a short code on the provider's page, in any browser; pasted_code: signs in in any browser and pastes the
 * code that the page shows; api_key: no VM at all.
 */
export const signInMethods = ['browser', 'device_code', 'pasted_code', 'api_key'] as const;
export type SignInMethod = (typeof signInMethods)[number];
/** Those at which the tool itself asks in a VM. */
export type LoginMethod = Exclude<SignInMethod, 'api_key'>;

/** Where a link of a sign-in may lead; https only. */
export interface AllowedUrl {
  /** Exact host name. */
  host: string;
  /** The path must begin with it. */
  pathPrefix: string;
}

/** What the words of a login mean. The same sign may be read several times: the text grows. */
export type LoginSign =
  /** The link at which the person signs in. */
  | { type: 'url'; url: string }
  /** What the person types at `url`. */
  | { type: 'device_code'; code: string; url: string }
  /** The tool waits for a code to be pasted. */
  | { type: 'code_wanted' }
  /** The tool refused the pasted code, in its own words; it may ask again. */
  | { type: 'code_refused'; words: string }
  /** The tool asks something that has one answer: these keys, sent once for each `question`. */
  | { type: 'answer'; question: string; keys: string }
  /** It will not work out. */
  | { type: 'failed'; words: string };

/** The tool's own login, run in a PTY as the VM's ordinary user. */
export interface Login {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Files that must be there before, relative to the home; kept where they exist already. Never a secret. */
  files: readonly { path: string; text: string }[];
  /**
   * desktop: `$BROWSER` and `xdg-open` hand links to the agent, which opens them on the desktop; none: the tool finds no
   * browser, so that it shows the link and asks for the code.
   */
  browser: 'desktop' | 'none';
  /** Reads all that the tool has printed so far, without escape sequences, long links unwrapped. */
  readOutput(text: string): LoginSign[];
  /** What is typed into the PTY for a pasted code, the end of the line included. Default: code and carriage return. */
  typeCode?(code: string): string;
  /** A refused code ends the tool: it is started anew for the next try. */
  restartAfterRefusal: boolean;
}

/** What a credential file says. */
export type ParsedCredential =
  | {
      ok: true;
      /** Whose account, as far as the file tells: an address or a plan. Never a token. */
      account: string | null;
      /** When the access token ends, epoch ms; null where the file doesn't say. */
      expiresAtMs: number | null;
      /** There is a refresh token, which rotates: it has one owner. */
      refreshable: boolean;
    }
  /** Truncated, not JSON, or without what a sign-in yields; the reason names no value. */
  | { ok: false; reason: string };

export interface CredentialFiles {
  /** The files that hold the secret, relative to the home; the first one must exist for a sign-in to count. */
  files: readonly string[];
  /**
   * How the home refers to the tmpfs. file: each file is a link into it (the tool writes through the link); folder: the tool
   * renames over its file, so `folder` (relative to the home) is a link to a folder in the tmpfs, in which every other entry is a
   * link back to the home's disk.
   */
  link: { type: 'file' } | { type: 'folder'; folder: string };
  /** Files that must be beside them for the tool to take them, without a secret in them: relative to the home, kept where they exist. */
  companions: readonly { path: string; text: string }[];
  /** @param texts the content of each of `files` that exists, by its path */
  parse(texts: Readonly<Record<string, string>>): ParsedCredential;
}

/** Only an exit code and words; the tool's own command must agree before a sign-in counts. */
export interface StatusCommand {
  command: readonly string[];
  read(exitCode: number, output: string): { signedIn: boolean; words: string };
}

/** How one prompt is run. */
export interface HeadlessOptions {
  /** Another server than the provider's own. */
  baseUrl?: string;
  model?: string;
  /** Continue this conversation: the `conversationId` of an earlier run's `metadata`. */
  conversationId?: string;
}

export interface HeadlessCommand {
  command: string[];
  /** Without any key. */
  env: Record<string, string>;
  /** The whole standard input; the prompt is in here wherever the tool can read it from there, so that it is in no argv. */
  stdin: string;
}

/** What a tool's event stream says, in one form over all providers. */
export type ProviderEvent =
  /** A piece of the answer as it comes. */
  | { type: 'text'; text: string }
  | { type: 'tool'; phase: 'started'; id: string; name: string; input: unknown }
  | { type: 'tool'; phase: 'finished'; id: string; output: string; isError: boolean }
  /** As soon as it is known; either field may come alone. */
  | { type: 'metadata'; conversationId?: string; model?: string }
  | { type: 'usage'; inputTokens: number; outputTokens: number }
  /** The tool wants a sign-in or another key: a 401, or nothing there. */
  | { type: 'needs_login'; message: string }
  | { type: 'error'; message: string }
  /** The answer is complete; the tool may take its time to exit. */
  | { type: 'finished' };

/** One CLI tool, described once and read by agent, controller, command line and web (F31). Pure data and pure functions. */
export interface Provider {
  id: ProviderId;
  /** As shown to people: the tool. */
  title: string;
  /** Whose it is, as shown to people. */
  vendor: string;
  /** What vendors reserve, in one or two sentences that stand beside the choice of a method. */
  policy: string;
  install: { npmPackage: string; program: string };
  /** Environment variable in which the tool expects an API key. */
  apiKeyVariable: string;
  /** What a key looks like, for a first check of what was pasted. */
  apiKeyPattern: RegExp;
  /** Environment variable that points the tool to another server than its maker's. */
  baseUrlVariable: string;
  /** As offered, the recommended one first; `api_key` is among them. */
  methods: readonly SignInMethod[];
  login: Partial<Record<LoginMethod, Login>>;
  /** Links that may be opened on the desktop. */
  allowedUrls: readonly AllowedUrl[];
  credential: CredentialFiles;
  status: StatusCommand;
  logout: readonly string[];
  /** The tool as a person uses it in a terminal. */
  interactive: { command: readonly string[]; env: Readonly<Record<string, string>> };
  headless(prompt: string, options: HeadlessOptions): HeadlessCommand;
  /** Reads one line of the headless tool's standard output; [] for a line that says nothing. */
  readEvent(line: string): ProviderEvent[];
  /** What the end says beyond the events, e.g. an exit code that means "no login". `stderrTail`: its last 8 KiB. */
  readExit(exitCode: number, stderrTail: string): ProviderEvent[];
}
