import { HearthError, type Secret } from '@hearth/contract';
import type { CredentialStore } from '../store/credentials.ts';
import { newMasterKey, open, seal, type Envelope, type EnvelopePlace, type MasterKey } from './envelope.ts';
import type { KeyStore } from './key-store.ts';

/** Locks secrets away under the master key. */
export interface Vault {
  /** Throws vault_failed, with the reason, where it is closed. Before what would be for nothing without it. */
  check(): Promise<void>;
  /**
   * A sealer under the key that is in use. Call it within the transaction that writes its envelopes: a rotation goes over all
   * rows in one of its own, before which nothing under the old key is then on its way.
   */
  sealer(): Promise<(secret: Secret, place: EnvelopePlace) => Envelope>;
  open(envelope: Envelope, place: EnvelopePlace): Promise<Secret>;
  /** Ends a rotation that was broken off, where there is one. Throws vault_failed. */
  recover(): Promise<void>;
  /** Encrypts everything anew with a new key. Throws vault_failed, and conflict where keys come from the environment. */
  rotate(): Promise<{ keyId: string; reencrypted: number }>;
}

export interface VaultDeps {
  keys: KeyStore;
  store: CredentialStore;
  randomBytes: (size: number) => Uint8Array;
}

export function createVault({ keys, store, randomBytes }: VaultDeps): Vault {
  let loaded: readonly MasterKey[] | null = null;
  let loading: Promise<readonly MasterKey[]> | null = null;
  let rotating: Promise<unknown> = Promise.resolve();

  const load = async (): Promise<readonly MasterKey[]> => {
    const found = await keys.load();
    const unknown = unknownIds(await store.keyIds(), found ?? []);
    // A key made now would hide that another one is missing.
    if (unknown.length > 0) throw otherKey(keys.place, unknown, found !== null);
    if (found !== null) return found;
    if (keys.save === null) throw new HearthError('vault_failed', `${keys.place} holds no key`);
    const first = [newMasterKey(randomBytes)];
    await keys.save(first);
    return first;
  };
  /** The keys; tried anew at each use until it works, so that a restored file is enough. */
  const ring = async (): Promise<readonly MasterKey[]> => {
    if (loaded !== null) return loaded;
    loading ??= load().finally(() => {
      loading = null;
    });
    loaded = await loading;
    return loaded;
  };
  const current = async (): Promise<MasterKey> => first(await ring());

  /** Everything under the newest key, then the others forgotten; each step may be the last before a crash. */
  const finish = async (all: readonly MasterKey[]): Promise<number> => {
    const newest = first(all);
    const count = await store.reseal(({ credential, envelope }) => {
      if (envelope.keyId === newest.id) return null;
      const place = { rowId: credential.id, version: credential.version };
      return seal(newest, open(findKey(all, envelope.keyId), envelope, place), place, randomBytes);
    });
    if (keys.save !== null) {
      await keys.save([newest]);
      loaded = [newest];
    }
    return count;
  };
  const alone = <T>(act: () => Promise<T>): Promise<T> => {
    const outcome = rotating.then(act);
    // Whoever asked for it hears of its failure; the next one only waits for its end.
    rotating = outcome.catch(() => undefined);
    return outcome;
  };

  return {
    check: async () => {
      await ring();
    },
    sealer: async () => {
      await ring();
      // The key is taken at the moment of sealing: a rotation may have begun meanwhile.
      return (secret, place) => seal(first(loaded ?? []), secret, place, randomBytes);
    },
    open: async (envelope, place) => open(findKey(await ring(), envelope.keyId), envelope, place),
    recover: () =>
      alone(async () => {
        const all = await ring();
        if (all.length > 1) await finish(all);
      }),
    rotate: () =>
      alone(async () => {
        const before = await ring();
        const { save } = keys;
        if (save === null) return rotateFromEnvironment(before, finish);
        const all = [newMasterKey(randomBytes), ...before];
        await save(all);
        loaded = all;
        const reencrypted = await finish(all);
        return { keyId: (await current()).id, reencrypted };
      }),
  };
}

async function rotateFromEnvironment(
  all: readonly MasterKey[],
  finish: (all: readonly MasterKey[]) => Promise<number>,
): Promise<{ keyId: string; reencrypted: number }> {
  if (all.length < 2)
    throw new HearthError(
      'conflict',
      'the master key comes from HEARTH_MASTER_KEY, which Hearth can’t change',
      {
        hint: 'Start Hearth with a new HEARTH_MASTER_KEY and the present one as HEARTH_MASTER_KEY_PREVIOUS: everything is encrypted anew then.',
      },
    );
  return { keyId: first(all).id, reencrypted: await finish(all) };
}

function first(keys: readonly MasterKey[]): MasterKey {
  const [key] = keys;
  if (key === undefined) throw new HearthError('vault_failed', 'there is no master key');
  return key;
}

function findKey(keys: readonly MasterKey[], id: string): MasterKey {
  const key = keys.find((known) => known.id === id);
  if (key === undefined) throw otherKey('the vault', [id], true);
  return key;
}

const unknownIds = (ids: readonly string[], keys: readonly MasterKey[]): string[] =>
  ids.filter((id) => !keys.some((key) => key.id === id));

const otherKey = (place: string, ids: readonly string[], isThere: boolean): HearthError =>
  new HearthError(
    'vault_failed',
    `secrets are under the master key ${ids.join(', ')}, and ${place} ${isThere ? 'holds another one' : 'is not there'}`,
    {
      hint:
        'Restore the key file, or HEARTH_MASTER_KEY. Where it is lost for good: remove the credentials that were under it ' +
        '(`hearth credentials rm PROVIDER`), then sign in again.',
    },
  );
