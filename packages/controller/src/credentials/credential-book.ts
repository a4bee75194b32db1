import {
  credentialIdSchema,
  HearthError,
  makeId,
  type Credential,
  type ProviderId,
  type Secret,
  type UserId,
} from '@hearth/contract';
import type { Transaction } from 'kysely';
import type { World } from '../clock.ts';
import {
  removed,
  toCredentialView,
  withVersion,
  type CredentialRecord,
  type NewVersion,
} from '../domain/credentials/credential-record.ts';
import {
  getCredential,
  writeCredential,
  type CredentialStore,
  type SealedCredential,
} from '../store/credentials.ts';
import type { Database } from '../store/database.ts';
import type { Tables } from '../store/tables.ts';
import type { Vault } from '../vault/vault.ts';

const MAX_TRIES = 20;

export interface Whose {
  userId: UserId;
  provider: ProviderId;
}

/** Credentials' records with their secrets, and the ways in which they change. */
export interface CredentialBook {
  store: CredentialStore;
  /** One at a time for each person and provider, so that what is moved between VMs is moved once. Not to be nested. */
  alone<T>(whose: Whose, act: () => Promise<T>): Promise<T>;
  /** The credential with its secret; null: none, or removed. */
  get(whose: Whose): Promise<SealedCredential | null>;
  /** Throws vault_failed. */
  reveal(sealed: SealedCredential): Promise<Secret>;
  /** Changes what is known of it; null where there is none. `change` gives null where there is nothing to change. */
  change(
    whose: Whose,
    change: (credential: CredentialRecord) => CredentialRecord | null,
  ): Promise<CredentialRecord | null>;
  /**
   * Writes a new version, and `also` in the same transaction, before it: false there means that nothing is written, and gives null.
   * Throws vault_failed.
   */
  write(
    whose: Whose,
    version: NewVersion,
    secret: Secret,
    also?: (tx: Transaction<Tables>) => Promise<boolean>,
  ): Promise<CredentialRecord | null>;
  /** Its secret is gone then; null where there was none. */
  remove(whose: Whose): Promise<CredentialRecord | null>;
  watch(listener: (credential: Credential) => void): () => void;
}

export interface CredentialBookDeps {
  db: Database;
  store: CredentialStore;
  vault: Vault;
  world: World;
}

export function createCredentialBook({ db, store, vault, world }: CredentialBookDeps): CredentialBook {
  const turns = new Map<string, Promise<unknown>>();
  const listeners = new Set<(credential: Credential) => void>();
  const publish = (credential: CredentialRecord): CredentialRecord => {
    const view = toCredentialView(credential);
    for (const listener of [...listeners]) listener(view);
    return credential;
  };
  const get: CredentialBook['get'] = async ({ userId, provider }) => {
    const sealed = await store.get(userId, provider);
    return sealed?.credential.state === 'removed' ? null : sealed;
  };
  /** Compare-and-set, again where another change came between. */
  const attempt = async (
    whose: Whose,
    act: (sealed: SealedCredential) => Promise<CredentialRecord | null | 'again'>,
  ): Promise<CredentialRecord | null> => {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const sealed = await get(whose);
      if (sealed === null) return null;
      const outcome = await act(sealed);
      if (outcome !== 'again') return outcome;
    }
    throw new HearthError('conflict', `the credential for ${whose.provider} changes too often`);
  };

  return {
    store,
    get,
    alone: async ({ userId, provider }, act) => {
      const key = `${userId} ${provider}`;
      const before = turns.get(key) ?? Promise.resolve();
      const mine = before.then(act);
      // Whoever waits for its end has no part in its outcome.
      const turn = mine
        .catch(() => undefined)
        .finally(() => {
          if (turns.get(key) === turn) turns.delete(key);
        });
      turns.set(key, turn);
      return mine;
    },
    reveal: ({ credential: { id, version, provider }, envelope }) => {
      if (envelope === null)
        throw new HearthError('credential_missing', `there is no credential for ${provider}`);
      return vault.open(envelope, { rowId: id, version });
    },
    change: (whose, change) =>
      attempt(whose, async ({ credential }) => {
        const next = change(credential);
        if (next === null) return credential;
        return (await store.update(next, credential.revision)) ? publish(next) : 'again';
      }),
    write: async (whose, version, secret, also) => {
      const seal = await vault.sealer();
      const id = credentialIdSchema.parse(makeId('crd', world.randomBytes));
      const written = await db.transaction().execute(async (tx) => {
        if (also !== undefined && !(await also(tx))) return null;
        const before = (await getCredential(tx, whose.userId, whose.provider))?.credential ?? null;
        const credential = withVersion(before, { ...whose, id }, version, world.now());
        const envelope = seal(secret, { rowId: credential.id, version: credential.version });
        if (!(await writeCredential(tx, { credential, envelope }, before?.revision ?? -1)))
          throw new HearthError('conflict', `the credential for ${whose.provider} changes too often`);
        return credential;
      });
      return written === null ? null : publish(written);
    },
    remove: (whose) =>
      attempt(whose, async ({ credential }) => {
        const next = removed(credential);
        const done = await store.write({ credential: next, envelope: null }, credential.revision);
        return done ? publish(next) : 'again';
      }),
    watch: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
