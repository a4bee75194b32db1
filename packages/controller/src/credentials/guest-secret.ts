import {
  guestCredentialSchema,
  HearthError,
  providers,
  Secret,
  type GuestCredential,
  type ParsedCredential,
  type ProviderId,
} from '@hearth/contract';

type Content = Pick<GuestCredential, 'files' | 'env'>;

/** What is locked away of a credential; the same content is the same text. */
export function toSecret({ files, env }: Content): Secret {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return new Secret(
    JSON.stringify({
      files: sorted.map(({ path, contentBase64 }) => ({ path, contentBase64 })),
      env: Object.fromEntries(Object.entries(env).toSorted()),
    }),
  );
}

const contentSchema = guestCredentialSchema.pick({ files: true, env: true });

/** The credential as a VM gets it. */
export const fromSecret = (
  secret: Secret,
  of: Pick<GuestCredential, 'provider' | 'kind' | 'version'>,
): GuestCredential => ({ ...of, ...contentSchema.parse(JSON.parse(secret.reveal())) });

/** A key as the tool's variable. */
export const apiKeySecret = (provider: ProviderId, apiKey: Secret): Secret =>
  toSecret({ files: [], env: { [providers[provider].apiKeyVariable]: apiKey.reveal() } });

/** Reads what came out of a VM once more, by the descriptor: nothing else is taken into the vault. */
export function parseContent(provider: ProviderId, { kind, files, env }: GuestCredential): ParsedCredential {
  const { credential } = providers[provider];
  if (kind !== 'sign_in' || Object.keys(env).length > 0) return { ok: false, reason: 'it is no sign-in' };
  const foreign = files.find(({ path }) => !credential.files.includes(path));
  if (foreign !== undefined) return { ok: false, reason: `${foreign.path} is none of its files` };
  const [main = ''] = credential.files;
  if (!files.some(({ path }) => path === main)) return { ok: false, reason: `${main} is missing` };
  const texts = files.map(({ path, contentBase64 }) => [
    path,
    Buffer.from(contentBase64, 'base64').toString('utf8'),
  ]);
  return credential.parse(Object.fromEntries(texts) as Record<string, string>);
}

/** The same, or an error: credential_invalid. */
export function requireContent(
  provider: ProviderId,
  content: GuestCredential | null,
): { content: GuestCredential; parsed: Extract<ParsedCredential, { ok: true }> } {
  if (content === null) throw new HearthError('credential_invalid', 'the VM has none of this provider');
  const parsed = parseContent(provider, content);
  if (!parsed.ok) throw new HearthError('credential_invalid', parsed.reason);
  return { content, parsed };
}
