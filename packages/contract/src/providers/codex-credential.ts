import { isRecord, parseObject, readJwtClaims, textOf } from './jwt.ts';
import type { CredentialFiles } from './provider.ts';

const FILE = '.codex/auth.json';

export const codexCredential: CredentialFiles = {
  files: [FILE],
  // A refresh follows the link and renames in the folder that it leads to. Login and logout replace or remove the link itself.
  link: { type: 'file' },
  companions: [],
  // codex itself takes `{}` for signed in: only what can be used counts here.
  parse: (texts) => {
    const file = parseObject(texts[FILE] ?? '');
    if (file === null) return { ok: false, reason: `${FILE} is not a JSON object` };
    const { tokens } = file;
    if (isRecord(tokens) && textOf(tokens['access_token']) !== null && textOf(tokens['id_token']) !== null) {
      const expiresAtSeconds = readJwtClaims(tokens['access_token'])?.['exp'];
      return {
        ok: true,
        account: accountOf(tokens['id_token']),
        expiresAtMs: typeof expiresAtSeconds === 'number' ? expiresAtSeconds * 1000 : null,
        refreshable: textOf(tokens['refresh_token']) !== null,
      };
    }
    // What `codex login --with-api-key` leaves.
    if (!isRecord(tokens) && textOf(file['OPENAI_API_KEY']) !== null)
      return { ok: true, account: null, expiresAtMs: null, refreshable: false };
    return { ok: false, reason: `${FILE} holds neither tokens nor an API key` };
  },
};

function accountOf(idToken: unknown): string | null {
  const claims = readJwtClaims(idToken);
  const openai = claims?.['https://api.openai.com/auth'];
  const plan = isRecord(openai) ? textOf(openai['chatgpt_plan_type']) : null;
  return textOf(claims?.['email']) ?? (plan === null ? null : `ChatGPT ${plan}`);
}
