import { codexCredential } from './codex-credential.ts';
import { readCodexLine } from './codex-events.ts';
import type { Login, LoginSign, Provider } from './provider.ts';

const SIGN_IN_PAGE = 'https://auth.openai.com/codex/device';

/** The tool ends with this line; the page that the person saw said it too. */
function failures(text: string): LoginSign[] {
  const words = /^Error logging in(?: with device code)?: (.+)$/m.exec(text)?.[1]?.trim();
  return words === undefined ? [] : [{ type: 'failed', words }];
}

const browser: Login = {
  command: ['codex', 'login'],
  env: {},
  files: [],
  browser: 'desktop',
  readOutput: (text) => {
    // Followed by a space: a link that is still being printed is none.
    const url = [...text.matchAll(/https:\/\/auth\.openai\.com\/oauth\/authorize\?\S+(?=\s)/g)].at(-1)?.[0];
    return [...(url === undefined ? [] : [{ type: 'url' as const, url }]), ...failures(text)];
  },
  restartAfterRefusal: false,
};

const deviceCode: Login = {
  command: ['codex', 'login', '--device-auth'],
  env: {},
  files: [],
  browser: 'none',
  readOutput: (text) => {
    const code = /one-time code[^\n]*\s+([A-Z0-9]{4}-[A-Z0-9]{4,6})(?=\s)/.exec(text)?.[1];
    return [
      ...(code === undefined ? [] : [{ type: 'device_code' as const, code, url: SIGN_IN_PAGE }]),
      ...failures(text),
    ];
  },
  restartAfterRefusal: false,
};

export const codex: Provider = {
  id: 'codex',
  title: 'Codex',
  vendor: 'OpenAI',
  policy:
    'Sign in with your own ChatGPT account: its plan is for your own use, in this tool alone. ' +
    'For anything else, or where a program runs prompts by itself, use an API key of the OpenAI platform.',
  install: { npmPackage: '@openai/codex', program: 'codex' },
  // `codex exec` doesn't look at OPENAI_API_KEY.
  apiKeyVariable: 'CODEX_API_KEY',
  apiKeyPattern: /^sk-[\w-]{8,}$/,
  // Not read by codex itself, which takes a setting: see `headless`.
  baseUrlVariable: 'OPENAI_BASE_URL',
  methods: ['browser', 'device_code', 'api_key'],
  login: { browser, device_code: deviceCode },
  allowedUrls: [
    { host: 'auth.openai.com', pathPrefix: '/oauth/authorize' },
    { host: 'auth.openai.com', pathPrefix: '/codex/device' },
  ],
  credential: codexCredential,
  status: {
    command: ['codex', 'login', 'status'],
    read: (exitCode, output) => ({
      signedIn: exitCode === 0,
      // Not its own words: they hold the ends of an API key.
      words:
        exitCode === 0
          ? /API key/i.test(output)
            ? 'codex has an API key'
            : 'signed in with ChatGPT'
          : 'codex says that it is not signed in',
    }),
  },
  logout: ['codex', 'logout'],
  interactive: { command: ['codex', '-c', 'check_for_update_on_startup=false'], env: {} },
  headless: (prompt, { baseUrl, model, conversationId }) => ({
    command: [
      ...['codex', 'exec', '--json', '--skip-git-repo-check'],
      // Nobody is there to be asked, and the VM is the fence.
      '--dangerously-bypass-approvals-and-sandbox',
      // It would wait 5 s for them at its end.
      ...['-c', 'analytics.enabled=false'],
      ...(baseUrl === undefined
        ? []
        : ['-c', `openai_base_url=${JSON.stringify(`${withoutSlash(baseUrl)}/v1`)}`]),
      ...(model === undefined ? [] : ['-m', model]),
      ...(conversationId === undefined ? ['-'] : ['resume', '--', conversationId, '-']),
    ],
    env: {},
    stdin: prompt,
  }),
  readEvent: readCodexLine,
  readExit: (exitCode, stderrTail) => {
    const words = /^Error: (.+)$/m.exec(stderrTail)?.[1];
    return exitCode === 0 || words === undefined ? [] : [{ type: 'error', message: words }];
  },
};

/** Hearth's base URLs are those of a server; codex wants the API's. */
function withoutSlash(baseUrl: string): string {
  return baseUrl.replace(/\/(v1\/?)?$/, '');
}
