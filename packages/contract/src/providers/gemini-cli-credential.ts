import { parseObject, readJwtClaims, textOf } from './jwt.ts';
import type { CredentialFiles } from './provider.ts';

const FILE = '.gemini/oauth_creds.json';

export const geminiCredential: CredentialFiles = {
  files: [FILE],
  // A refresh writes the file in place, through a link.
  link: { type: 'file' },
  companions: [],
  parse: (texts) => {
    const file = parseObject(texts[FILE] ?? '');
    if (file === null) return { ok: false, reason: `${FILE} is not a JSON object` };
    const refreshable = textOf(file['refresh_token']) !== null;
    if (textOf(file['access_token']) === null && !refreshable)
      return { ok: false, reason: `${FILE} holds no tokens` };
    const { expiry_date: expiresAtMs } = file;
    return {
      ok: true,
      account: textOf(readJwtClaims(file['id_token'])?.['email']),
      expiresAtMs: typeof expiresAtMs === 'number' ? expiresAtMs : null,
      refreshable,
    };
  },
};
