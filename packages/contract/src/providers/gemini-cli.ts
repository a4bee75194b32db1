import { geminiCredential } from './gemini-cli-credential.ts';
import { readGeminiExit, readGeminiLine } from './gemini-cli-events.ts';
import type { Login, LoginSign, Provider } from './provider.ts';

/**
 * Whether gemini signs in with Google or takes a key stands in its settings, and without them it asks: they follow the credential
 * that is there.
 */
const START = `type=oauth-personal; [ -z "$GEMINI_API_KEY" ] || type=gemini-api-key
file="$HOME/.gemini/settings.json"; mkdir -p "$HOME/.gemini"
[ -s "$file" ] || printf '{"security":{"auth":{"selectedType":"%s"}}}' "$type" >"$file"
grep -q "\\"selectedType\\": *\\"$type\\"" "$file" || sed -i "s/\\(\\"selectedType\\": *\\)\\"[^\\"]*\\"/\\1\\"$type\\"/" "$file"
exec gemini "$@"`;
const gemini = (...args: string[]): string[] => ['sh', '-c', START, 'gemini', ...args];

/** The person's own folder in the person's own VM: nothing to be asked about. */
const TRUSTED = { GEMINI_CLI_TRUST_WORKSPACE: 'true' };
/** It would start itself a second time for more memory, which doubles its slow start. */
const ONCE = { ...TRUSTED, GEMINI_CLI_NO_RELAUNCH: 'true' };

/** Signs in like any start of gemini, and ends by itself. */
const SIGN_IN = '--list-sessions';

function lastLink(text: string): LoginSign[] {
  // Followed by a space: a link that is still being printed is none.
  const url = [...text.matchAll(/https:\/\/accounts\.google\.com\/o\/oauth2\/v2\/auth\?\S+(?=\s)/g)].at(
    -1,
  )?.[0];
  return url === undefined ? [] : [{ type: 'url', url }];
}

const browser: Login = {
  // Only a headless gemini asks its question in a line; the prompt is never sent, as the sessions are listed instead.
  command: gemini(SIGN_IN, '-p', 'sign in'),
  env: ONCE,
  files: [],
  browser: 'desktop',
  readOutput: (text) => {
    const words = /Fatal(?:Authentication|Cancellation)Error: (.+)/.exec(text)?.[1]?.trim();
    return [
      ...(/Do you want to continue\? \[Y\/n\]/.test(text)
        ? [{ type: 'answer' as const, question: 'open the sign-in page', keys: 'y\r' }]
        : []),
      ...lastLink(text),
      ...(words === undefined ? [] : [{ type: 'failed' as const, words }]),
    ];
  },
  restartAfterRefusal: false,
};

const pastedCode: Login = {
  command: gemini(SIGN_IN),
  env: { ...ONCE, NO_BROWSER: 'true' },
  files: [],
  browser: 'none',
  readOutput: (text) => {
    const refusals = [...text.matchAll(/^(Failed to authenticate with authorization code:.+)$/gm)];
    const words = refusals.at(-1)?.[1]?.trim();
    const fatal = /FatalAuthenticationError: (.+)/.exec(text)?.[1]?.trim();
    return [
      ...lastLink(text),
      ...(/Enter the authorization code:[^\n]*$/.test(text) ? [{ type: 'code_wanted' as const }] : []),
      ...(words === undefined ? [] : [{ type: 'code_refused' as const, words }]),
      ...(fatal === undefined || words !== undefined ? [] : [{ type: 'failed' as const, words: fatal }]),
    ];
  },
  // It asks a second time, with another link, and then ends: a start for each try is the same every time.
  restartAfterRefusal: true,
};

export const geminiCli: Provider = {
  id: 'gemini_cli',
  title: 'Gemini CLI',
  vendor: 'Google',
  policy:
    'Sign in with your own Google account for your own use, in this tool alone. ' +
    'For anything else, or where a program runs prompts by itself, use an API key of Google AI Studio.',
  install: { npmPackage: '@google/gemini-cli', program: 'gemini' },
  apiKeyVariable: 'GEMINI_API_KEY',
  // `AIza…` and the newer `AQ.…`
  apiKeyPattern: /^[\w.-]{20,}$/,
  baseUrlVariable: 'GOOGLE_GEMINI_BASE_URL',
  methods: ['browser', 'pasted_code', 'api_key'],
  login: { browser, pasted_code: pastedCode },
  allowedUrls: [{ host: 'accounts.google.com', pathPrefix: '/o/oauth2/' }],
  credential: geminiCredential,
  status: {
    // It has no command for it; this one signs in first, asks Google about the token, and ends with 0 in either case.
    command: [
      'env',
      ...Object.entries(ONCE).map((pair) => pair.join('=')),
      'NO_BROWSER=true',
      ...gemini(SIGN_IN, '-p', 'status'),
    ],
    read: (exitCode, output) => {
      const signedIn = exitCode === 0 && !/Error authenticating|authorization code/i.test(output);
      return {
        signedIn,
        words: signedIn ? 'signed in with Google' : 'gemini could not sign in with what is there',
      };
    },
  },
  // It has none either: its `/auth` only forgets this file.
  logout: ['sh', '-c', 'rm -f "$HOME/.gemini/oauth_creds.json"'],
  interactive: { command: gemini(), env: TRUSTED },
  headless: (prompt, { baseUrl, model, conversationId }) => ({
    command: gemini(
      // Nobody is there to be asked, and the VM is the fence.
      ...['-o', 'stream-json', '--yolo'],
      ...(model === undefined ? [] : [`--model=${model}`]),
      ...(conversationId === undefined ? [] : [`--resume=${conversationId}`]),
    ),
    env: { ...ONCE, ...(baseUrl === undefined ? {} : { GOOGLE_GEMINI_BASE_URL: baseUrl }) },
    stdin: prompt,
  }),
  readEvent: readGeminiLine,
  readExit: readGeminiExit,
};
