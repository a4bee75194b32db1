import { HearthError, type GuestCredential, type ParsedCredential, type Provider } from '@hearth/contract';
import type { CredentialPlace, FoundFile } from './home-links.ts';
import { digestOf } from './secret-files.ts';

/** Throws HearthError credential_invalid where it isn't what the descriptor says. */
export function checkCredential(
  provider: Provider,
  { kind, env }: GuestCredential,
  files: readonly FoundFile[],
): void {
  const invalid = (detail: string): HearthError => new HearthError('credential_invalid', detail);
  if (kind === 'api_key') {
    if (files.length > 0) throw invalid('an API key has no files');
    if (Object.keys(env).length === 0) throw invalid('there is no API key in it');
    return;
  }
  if (Object.keys(env).length > 0) throw invalid('a sign-in has no variables');
  for (const { path } of files)
    if (!provider.credential.files.includes(path))
      throw invalid(`${path} is not a credential file of ${provider.title}`);
  const parsed = provider.credential.parse(textsOf(files));
  if (!parsed.ok) throw invalid(parsed.reason);
}

export function parseFiles({ provider }: CredentialPlace, files: readonly FoundFile[]): ParsedCredential {
  return provider.credential.parse(textsOf(files));
}

export function judgeFiles(
  place: CredentialPlace,
  files: readonly FoundFile[],
): { digest: string; intact: boolean } {
  const order = place.provider.credential.files;
  const sorted = [...files].sort((one, other) => order.indexOf(one.path) - order.indexOf(other.path));
  return {
    digest: digestOf(sorted.map(({ path, content }) => [path, content])),
    intact: parseFiles(place, files).ok,
  };
}

function textsOf(files: readonly FoundFile[]): Record<string, string> {
  return Object.fromEntries(files.map(({ path, content }) => [path, content.toString('utf8')]));
}
