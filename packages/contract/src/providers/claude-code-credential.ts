import { z } from 'zod';
import type { CredentialFiles, ParsedCredential } from './provider.ts';

const FILE = '.claude/.credentials.json';

const fileSchema = z.object({
  claudeAiOauth: z.object({
    accessToken: z.string(),
    refreshToken: z.string().nullish(),
    /** Epoch ms. */
    expiresAt: z.number().nullish(),
    subscriptionType: z.string().nullish(),
  }),
});

export const claudeCredential: CredentialFiles = {
  files: [FILE],
  // claude writes a new file and renames it over the old one, link or not.
  link: { type: 'folder', folder: '.claude' },
  // Without it the interactive tool begins with a tour, and with a sign-in.
  companions: [{ path: '.claude.json', text: '{"hasCompletedOnboarding":true}\n' }],
  parse: (texts) => parse(texts[FILE]),
};

function parse(text: string | undefined): ParsedCredential {
  if (text === undefined) return { ok: false, reason: `${FILE} is not there` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's words would quote the secret.
    return { ok: false, reason: `${FILE} is not JSON` };
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) return { ok: false, reason: `${FILE} has no claudeAiOauth with an accessToken` };
  const { accessToken, refreshToken, expiresAt, subscriptionType } = parsed.data.claudeAiOauth;
  // What claude leaves when the server refused its refresh token.
  if (accessToken === '') return { ok: false, reason: `the tokens in ${FILE} are empty: signed out` };
  return {
    ok: true,
    account: typeof subscriptionType === 'string' ? `${subscriptionType} plan` : null,
    expiresAtMs: expiresAt ?? null,
    refreshable: typeof refreshToken === 'string' && refreshToken !== '',
  };
}
