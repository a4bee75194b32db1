import type { CredentialFiles, Login, Provider } from '@hearth/contract';
import { z } from 'zod';

export const FAKE_TOKEN = 'fake-access-token-NOT-A-TOKEN';
const fileSchema = z.object({ token: z.string(), account: z.string().optional() });

/** A credential file that the fake tool takes. */
export const fakeFile = (token = FAKE_TOKEN, account = 'ada@example.org'): string =>
  JSON.stringify({ token, account });

/** A provider as the contract describes them, whose tool is a script of a test. */
export function fakeProvider(
  link: CredentialFiles['link'] = { type: 'file' },
  login: Partial<Login> = {},
  status: readonly string[] = ['true'],
): Provider {
  const whole: Login = {
    ...{
      command: ['fake-tool', 'login'],
      env: {},
      files: [],
      browser: 'desktop',
      restartAfterRefusal: false,
    },
    readOutput: () => [],
    ...login,
  };
  return {
    ...{ id: 'codex', title: 'Fake', vendor: 'Nobody', policy: '', apiKeyVariable: 'FAKE_API_KEY' },
    ...{
      install: { npmPackage: 'fake', program: 'fake-tool' },
      apiKeyPattern: /./,
      baseUrlVariable: 'FAKE_URL',
    },
    methods: ['browser', 'device_code', 'pasted_code', 'api_key'],
    login: { browser: whole, device_code: whole, pasted_code: whole },
    allowedUrls: [{ host: 'auth.example.org', pathPrefix: '/' }],
    credential: {
      files: ['.fake/auth.json'],
      link,
      companions: [{ path: '.fake/config.toml', text: 'onboarded = true\n' }],
      parse: (texts) => {
        const text = texts['.fake/auth.json'];
        if (text === undefined) return { ok: false, reason: 'there is no auth.json' };
        let data: unknown;
        try {
          data = JSON.parse(text);
        } catch {
          return { ok: false, reason: 'auth.json is not JSON' };
        }
        const parsed = fileSchema.safeParse(data);
        if (!parsed.success) return { ok: false, reason: 'auth.json has no token' };
        return { ok: true, account: parsed.data.account ?? null, expiresAtMs: null, refreshable: true };
      },
    },
    status: {
      command: status,
      read: (exitCode, output) => ({ signedIn: exitCode === 0, words: output.trim() }),
    },
    logout: ['true'],
    interactive: { command: ['fake-tool'], env: {} },
    headless: () => ({ command: ['fake-tool'], env: {}, stdin: '' }),
    readEvent: () => [],
    readExit: () => [],
  };
}
