import { claudeCredential } from './claude-code-credential.ts';
import { readClaudeLine } from './claude-code-events.ts';
import { claudeLogins } from './claude-code-login.ts';
import type { Provider } from './provider.ts';

/** No telemetry, no updates of a pinned tool. */
const QUIET = { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1' };

export const claudeCode: Provider = {
  id: 'claude_code',
  title: 'Claude Code',
  vendor: 'Anthropic',
  policy:
    'Sign in with your own Claude plan for your own ordinary use: Anthropic reserves plan sign-in for that. ' +
    'For anything else, or where a program runs prompts by itself, use an API key of the Claude Console.',
  install: { npmPackage: '@anthropic-ai/claude-code', program: 'claude' },
  apiKeyVariable: 'ANTHROPIC_API_KEY',
  apiKeyPattern: /^sk-ant-[\w-]{8,}$/,
  baseUrlVariable: 'ANTHROPIC_BASE_URL',
  methods: ['browser', 'pasted_code', 'api_key'],
  login: claudeLogins,
  allowedUrls: [
    { host: 'claude.com', pathPrefix: '/cai/oauth/authorize' },
    { host: 'claude.ai', pathPrefix: '/oauth/authorize' },
    { host: 'platform.claude.com', pathPrefix: '/oauth/' },
  ],
  credential: claudeCredential,
  status: {
    command: ['claude', 'auth', 'status'],
    read: (exitCode, output) => {
      const plan = /"subscriptionType": "(\w+)"/.exec(output)?.[1];
      const signedIn = exitCode === 0 && /"loggedIn": true/.test(output);
      return {
        signedIn,
        words: signedIn
          ? `signed in${plan === undefined ? '' : ` with the ${plan} plan`}`
          : 'claude says that it is not signed in',
      };
    },
  },
  logout: ['claude', 'auth', 'logout'],
  interactive: { command: ['claude'], env: QUIET },
  headless: (prompt, { baseUrl, model, conversationId }) => ({
    command: [
      ...['claude', '-p', '--output-format', 'stream-json', '--verbose', '--include-partial-messages'],
      // Nobody is there to be asked, and the VM is the fence.
      ...['--permission-mode', 'bypassPermissions'],
      ...(model === undefined ? [] : ['--model', model]),
      ...(conversationId === undefined ? [] : ['--resume', conversationId]),
    ],
    env: {
      ...QUIET,
      // The tool's own 10 retries last minutes, for a wrong key and a dead server too; 3 take 4 s and outlast a hiccup.
      CLAUDE_CODE_MAX_RETRIES: '3',
      ...(baseUrl === undefined ? {} : { ANTHROPIC_BASE_URL: baseUrl }),
    },
    stdin: prompt,
  }),
  readEvent: readClaudeLine,
  // What the events don't say is no matter of a sign-in: the exit code is 1 for everything.
  readExit: () => [],
};
