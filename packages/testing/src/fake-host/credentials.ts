import { createHash } from 'node:crypto';
import {
  guestCredentialSchema,
  HearthError,
  keptCredentialSchema,
  parseWith,
  providerIdSchema,
  providers,
  type GuestCredential,
  type HeldCredential,
  type ProviderId,
  type VmId,
} from '@hearth/contract';
import type { Machines } from './machines.ts';

interface Held {
  credential: GuestCredential;
  /** Of what was handed over, or taken by the vault. */
  knownDigest: string | null;
}

/** What the guests hold in their tmpfs. */
export interface FakeCredentials {
  /** `GET | PUT | DELETE credentials/:provider`, `POST credentials/:provider/kept`; what is to be answered as JSON, null for 204. */
  answer(id: VmId, method: string, rest: string, body: () => Promise<unknown>): Promise<unknown>;
  /** What the guest has; null: nothing. */
  of(id: VmId, provider: ProviderId): GuestCredential | null;
  /** A tool rewrites its files, or a sign-in makes them (`version` stays; 0 where nothing was handed over). */
  write(id: VmId, provider: ProviderId, files: Record<string, string>): void;
}

export function createCredentials(machines: Machines): FakeCredentials {
  const guests = new Map<VmId, Map<ProviderId, Held>>();
  const guestOf = (id: VmId): Map<ProviderId, Held> => {
    const guest = guests.get(id) ?? new Map<ProviderId, Held>();
    guests.set(id, guest);
    return guest;
  };
  const announce = (id: VmId): void => {
    machines.holds(
      id,
      [...guestOf(id).values()].map(({ credential, knownDigest }): HeldCredential => {
        const { provider, kind, version } = credential;
        const digest = digestOf(credential);
        return {
          provider,
          kind,
          version,
          digest,
          intact: isIntact(credential),
          changed: digest !== knownDigest,
        };
      }),
    );
  };
  const find = (id: VmId, provider: ProviderId): Held => {
    const held = guestOf(id).get(provider);
    if (held === undefined)
      throw new HearthError('not_found', `${id} holds no credential of ${provider}`, { vmId: id });
    return held;
  };

  return {
    of: (id, provider) => guestOf(id).get(provider)?.credential ?? null,
    write: (id, provider, files) => {
      const held = guestOf(id).get(provider);
      const credential: GuestCredential = {
        ...(held?.credential ?? { provider, kind: 'sign_in', version: 0, env: {} }),
        files: Object.entries(files).map(([path, text]) => ({
          path,
          contentBase64: Buffer.from(text).toString('base64'),
        })),
      };
      guestOf(id).set(provider, { credential, knownDigest: held?.knownDigest ?? null });
      announce(id);
    },
    answer: async (id, method, rest, body) => {
      const match = /^credentials\/([^/]+)(\/kept)?$/.exec(rest);
      const provider = parseWith(providerIdSchema, match?.[1], 'bad_request', 'provider');
      const call = `${method}${match?.[2] ?? ''}`;
      switch (call) {
        case 'GET':
          return find(id, provider).credential;
        case 'PUT': {
          const credential = parseWith(guestCredentialSchema, await body(), 'bad_request', 'credential');
          guestOf(id).set(provider, { credential, knownDigest: digestOf(credential) });
          announce(id);
          return null;
        }
        case 'POST/kept': {
          const held = find(id, provider);
          const { version, digest } = parseWith(keptCredentialSchema, await body(), 'bad_request', 'body');
          if (digestOf(held.credential) !== digest) return null;
          guestOf(id).set(provider, { credential: { ...held.credential, version }, knownDigest: digest });
          announce(id);
          return null;
        }
        case 'DELETE': {
          const { credential } = find(id, provider);
          guestOf(id).delete(provider);
          announce(id);
          return credential;
        }
        default:
          throw new HearthError('method_not_allowed', `${method} ${rest}`);
      }
    },
  };
}

function digestOf({ files, env }: GuestCredential): string {
  return createHash('sha256')
    .update(JSON.stringify([files, env]))
    .digest('hex');
}

function isIntact({ provider, kind, files }: GuestCredential): boolean {
  if (kind === 'api_key') return true;
  const texts = files.map(({ path, contentBase64 }) => [
    path,
    Buffer.from(contentBase64, 'base64').toString(),
  ]);
  return providers[provider].credential.parse(Object.fromEntries(texts) as Record<string, string>).ok;
}
