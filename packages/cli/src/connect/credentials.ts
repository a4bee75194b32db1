import {
  credentialListSchema,
  credentialSchema,
  HearthError,
  providers,
  Secret,
  type Credential,
  type ProviderId,
} from '@hearth/contract';
import { text } from 'node:stream/consumers';
import { readText, type Api } from '../api/client.ts';
import { readSecretFile } from '../api/connection.ts';
import type { CliEnvironment } from '../config.ts';
import { withApi, type CommonOptions, type Context } from '../context.ts';
import type { Paint } from '../terminal/output.ts';
import { askForSecret } from '../terminal/question.ts';
import { renderTable } from '../terminal/table.ts';

export interface KeyOptions extends CommonOptions {
  apiKeyFile?: string;
}

export async function listCredentials(options: CommonOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const list = await api.get(credentialListSchema, '/api/auth/credentials', { signal });
    if (out.json) {
      out.value(list);
      return;
    }
    if (list.credentials.length === 0) {
      out.note('nothing is connected; hearth signin PROVIDER');
      return;
    }
    out.line(
      renderTable(
        ['PROVIDER', 'BY', 'STATE', 'ACCOUNT', 'VERSION', 'UPDATED', 'EXPIRES', '401s', 'IN VM'],
        list.credentials.map((credential) => renderRow(credential, out.paint)),
      ),
    );
  });
}

function renderRow(credential: Credential, paint: Paint): string[] {
  const { provider, kind, state, account, version, updatedAt, expiresAt, refusalRate, ownerVmId } =
    credential;
  return [
    provider,
    kind === 'api_key' ? 'API key' : 'sign-in',
    state === 'valid' ? paint.good(state) : paint.bad(state),
    account ?? '-',
    String(version),
    updatedAt,
    expiresAt ?? '-',
    refusalRate === null ? '-' : `${Math.round(refusalRate * 100)} %`,
    ownerVmId ?? '-',
  ];
}

export async function removeCredential(provider: ProviderId, options: CommonOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const { body } = await api.open('DELETE', `/api/auth/credentials/${provider}`, { signal });
    await readText(body);
    if (out.json) out.value({ provider, removed: true });
    else out.line(`${providers[provider].title} is disconnected`);
  });
}

export async function setKey(provider: ProviderId, options: KeyOptions): Promise<void> {
  await withApi(options, async (api, context) => {
    const key = await findKey(provider, options.apiKeyFile, context);
    await storeKey(api, provider, key, context);
  });
}

/** Hands a key to the vault, in the body of one call and nowhere else. */
export async function storeKey(
  api: Api,
  provider: ProviderId,
  key: Secret,
  { out, signal }: Pick<Context, 'out' | 'signal'>,
): Promise<void> {
  const credential = await api.call('POST', credentialSchema, '/api/auth/api-key', {
    json: { provider, apiKey: key.reveal() },
    signal,
  });
  if (out.json) out.value(credential);
  else out.line(`${providers[provider].title} is connected by an API key (version ${credential.version})`);
}

/** From a file, or standard input. */
export async function readKey(file: string): Promise<Secret> {
  if (file !== '-') return readSecretFile(file, '--api-key-file');
  const key = (await text(process.stdin)).trim();
  if (key === '' || /\s/.test(key))
    throw new HearthError('bad_request', '--api-key-file -: expected the key alone on standard input', {
      hint: 'For example: hearth credentials set-key PROVIDER --api-key-file - < FILE',
    });
  return new Secret(key);
}

async function findKey(
  provider: ProviderId,
  file: string | undefined,
  { environment, out }: { environment: CliEnvironment; out: Context['out'] },
): Promise<Secret> {
  if (file !== undefined) return readKey(file);
  const descriptor = providers[provider];
  const known = environment.apiKey(descriptor);
  if (known !== undefined) return known;
  const asked = await askForSecret(out, `API key for ${descriptor.title}`);
  if (asked !== null) return asked;
  throw new HearthError('api_key_missing', `${descriptor.title}: no key was given`, {
    hint: `Give --api-key-file FILE, or set ${descriptor.apiKeyVariable}.`,
  });
}
