import {
  HearthError,
  providers as knownProviders,
  Secret,
  type GuestCredential,
  type HeldCredential,
  type Log,
  type ParsedCredential,
  type Provider,
  type ProviderId,
} from '@hearth/contract';
import { join } from 'node:path';
import { describeError } from '../log.ts';
import type { LoginUser } from '../exec/login-user.ts';
import {
  findFiles,
  folderPlace,
  linkHome,
  newFiles,
  removeOthers,
  eraseStrayed,
  unlinkHome,
  watchedFolders,
  writeMissing,
  type CredentialPlace,
  type FoundFile,
} from './home-links.ts';
import { settleFolder } from './linked-folder.ts';
import { digestOf, writeTogether, type NewFile } from './secret-files.ts';
import { secretWords } from './secret-words.ts';
import { createCredentialRecords, type CredentialRecord } from './credential-records.ts';
import { checkCredential, judgeFiles, parseFiles } from './credential-content.ts';
import { watchNames } from './watch-names.ts';

export interface CredentialStoreOptions {
  /** Of the tmpfs. */
  folder: string;
  /** Sees to it that the tmpfs is there; asked before anything is written. */
  mount: (folder: string) => Promise<void>;
  user: Pick<LoginUser, 'uid' | 'gid' | 'home'>;
  randomBytes: (size: number) => Uint8Array;
  log: Log;
  providers?: Readonly<Partial<Record<ProviderId, Provider>>>;
}

/** The credentials in this VM, and the only thing that touches them. They are in a tmpfs, with links to them from the home. */
export interface CredentialStore {
  /** Takes up what an agent before this one held, and removes links to what is gone. */
  open(): Promise<void>;
  /** In place of what was there. Throws HearthError credential_invalid, disk_full or file_failed; what was there stays then. */
  put(credential: GuestCredential): Promise<void>;
  /** As it is now; null where there is none. Throws HearthError credential_invalid while it isn't whole. */
  get(provider: ProviderId): Promise<GuestCredential | null>;
  /** The vault has this digest as this version; nothing happens where it has changed since. */
  kept(provider: ProviderId, version: number, digest: string): Promise<void>;
  /** Ends what uses it and erases it; its last content, null where that wasn't whole. */
  drop(provider: ProviderId): Promise<GuestCredential | null>;
  /** Of all, without asking what they were. */
  eraseAll(): Promise<void>;
  held(): HeldCredential[];
  /** Calls after each change of `held()`. @returns what ends it */
  onChange(listener: () => void): () => void;
  /** API-key variables of that provider, or of all. */
  environment(provider: ProviderId | null): Record<string, string>;
  /** Whoever runs with it is ended by `drop`. @returns what to call at its end */
  using(provider: ProviderId, end: () => void): () => void;
  /** For a sign-in: empty files in the tmpfs, into which the tool's login writes. Throws HearthError. */
  beginLogin(provider: ProviderId, onWrite: () => void): Promise<LoginCredential>;
  stop(): void;
}

/** A credential that a login is writing. */
export interface LoginCredential {
  /** null where the tool has written nothing yet. */
  read(): Promise<{ parsed: ParsedCredential; secrets: string[] } | null>;
  /** It is this VM's from here on, with version 0. */
  adopt(): Promise<void>;
  /** Erases it, adopted or not; without effect once another login has begun. */
  abandon(): Promise<void>;
}

const DEBOUNCE_MS = 200;
/** Between looks at what the tool made beside its secret, while that is in use. */
const SETTLE_MS = 5000;
/** What used a credential has so long to end when it is dropped. */
const END_MS = 5000;

interface Entry extends CredentialRecord {
  digest: string;
  intact: boolean;
  unwatch: () => void;
}

export function createCredentialStore({
  folder,
  mount,
  user,
  randomBytes,
  log,
  providers = knownProviders,
}: CredentialStoreOptions): CredentialStore {
  const entries = new Map<ProviderId, Entry>();
  const users = new Map<ProviderId, Set<() => void>>();
  const listeners = new Set<() => void>();
  const logins = new Set<() => void>();
  /** The login that the files are of. */
  const latest = new Map<ProviderId, symbol>();
  const settling = new Map<ProviderId, NodeJS.Timeout>();
  const records = createCredentialRecords(join(folder, 'state.json'));
  let stopped = false;

  /** One change at a time: they share files. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const turn = last.then(act, act);
    last = turn.catch(() => undefined);
    return turn;
  };
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const find = (id: ProviderId): Provider => {
    const provider = providers[id];
    if (provider === undefined) throw new HearthError('bad_request', `${id} is not known to this agent`);
    return provider;
  };
  const placeOf = (provider: Provider): CredentialPlace => ({
    ...{ provider, folder: join(folder, provider.id), home: user.home },
    owner: { uid: user.uid, gid: user.gid },
  });
  const recordFile = (...changed: [ProviderId, CredentialRecord][]): NewFile =>
    records.asFile(new Map([...entries, ...changed]));

  /** Looks at the files, and sees to it that they are where they belong. */
  const look = async (id: ProviderId): Promise<void> => {
    const entry = entries.get(id);
    if (entry === undefined || entry.kind === 'api_key') return;
    const place = placeOf(find(id));
    const files = await takeBack(place);
    const { digest, intact } = judgeFiles(place, files);
    if (digest !== entry.digest || intact !== entry.intact) {
      Object.assign(entry, { digest, intact });
      log('a credential changed', { provider: id, intact, changed: digest !== entry.handedDigest });
      tell();
    }
    await settle(id, place, files);
  };
  /** A file that the tool put in place of a link goes into the tmpfs, once it is whole. */
  const takeBack = async (place: CredentialPlace): Promise<FoundFile[]> => {
    const files = await findFiles(place);
    if (!files.some(({ strayed }) => strayed) || !judgeFiles(place, files).intact) return files;
    log('a credential file was written to the disk; it is taken back', { provider: place.provider.id });
    // First: the link erases what is in its way.
    await writeTogether(newFiles(place, files), randomBytes);
    await linkHome(place);
    return files.map((file) => ({ ...file, strayed: false }));
  };
  const settle = async (
    id: ProviderId,
    place: CredentialPlace,
    files: readonly FoundFile[],
  ): Promise<void> => {
    const { link } = place.provider.credential;
    if (link.type !== 'folder' || stopped) return;
    const never = files.flatMap(({ content }) => secretWords(content.toString()));
    if (!(await settleFolder(folderPlace(place, link.folder), { never })) || settling.has(id)) return;
    const timer = setTimeout(() => {
      settling.delete(id);
      lookLater(id);
    }, SETTLE_MS);
    settling.set(id, timer.unref());
  };
  const lookLater = (id: ProviderId): void => {
    if (stopped) return;
    inTurn(() => look(id)).catch((error: unknown) => {
      log('looking at a credential failed', { provider: id, error: describeError(error) });
    });
  };
  const watch = (place: CredentialPlace, onChange: () => void): (() => void) =>
    watchNames(watchedFolders(place), DEBOUNCE_MS, onChange, log);
  const hold = (id: ProviderId, record: CredentialRecord, digest: string, intact: boolean): void => {
    entries.get(id)?.unwatch();
    const unwatch =
      record.kind === 'api_key' ? (): void => undefined : watch(placeOf(find(id)), () => lookLater(id));
    entries.set(id, { ...record, digest, intact, unwatch });
    tell();
  };
  const saveRecords = async (): Promise<void> => writeTogether([recordFile()], randomBytes);
  const erase = async (id: ProviderId): Promise<void> => {
    const entry = entries.get(id);
    entry?.unwatch();
    entries.delete(id);
    clearTimeout(settling.get(id));
    settling.delete(id);
    const place = placeOf(find(id));
    await unlinkHome(place);
    if (entry !== undefined) {
      // One that was never ours stays: a person may have signed in by hand.
      if (entry.kind === 'sign_in') await eraseStrayed(place);
      await saveRecords();
      tell();
    }
  };
  const content = async (id: ProviderId): Promise<GuestCredential | null> => {
    const entry = entries.get(id);
    if (entry === undefined) return null;
    const { kind, version, env } = entry;
    if (kind === 'api_key') return { provider: id, kind, version, files: [], env: reveal(env) };
    const place = placeOf(find(id));
    const files = await findFiles(place);
    const parsed = parseFiles(place, files);
    if (!parsed.ok) throw new HearthError('credential_invalid', parsed.reason);
    const encoded = files.map((file) => ({
      path: file.path,
      contentBase64: file.content.toString('base64'),
    }));
    return { provider: id, kind, version, files: encoded, env: {} };
  };
  const endUse = async (id: ProviderId): Promise<void> => {
    const using = users.get(id);
    for (const end of [...(using ?? [])]) end();
    for (let waitedMs = 0; waitedMs < END_MS && (using?.size ?? 0) > 0; waitedMs += 50)
      await new Promise((resolve) => setTimeout(resolve, 50));
  };

  return {
    open: () =>
      inTurn(async () => {
        for (const [id, record] of await records.read(providers)) {
          const place = placeOf(find(id));
          const { digest, intact } =
            record.kind === 'api_key'
              ? { digest: digestOf(Object.entries(reveal(record.env))), intact: true }
              : judgeFiles(place, await findFiles(place));
          hold(id, record, digest, intact);
        }
        // The tmpfs of an earlier boot is gone; its links would keep a tool from writing anything there.
        for (const provider of Object.values(providers))
          if (!entries.has(provider.id)) await unlinkHome(placeOf(provider));
      }),
    put: (credential) =>
      inTurn(async () => {
        const { provider: id, kind, version, env } = credential;
        const provider = find(id);
        const place = placeOf(provider);
        const files = credential.files.map(({ path, contentBase64 }) => ({
          path,
          content: Buffer.from(contentBase64, 'base64'),
          strayed: false,
        }));
        checkCredential(provider, credential, files);
        await mount(folder);
        const digest = kind === 'api_key' ? digestOf(Object.entries(env)) : judgeFiles(place, files).digest;
        const record: CredentialRecord = {
          ...{ kind, version, handedDigest: digest },
          env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, new Secret(value)])),
        };
        if (kind === 'api_key') {
          await unlinkHome(place);
          await writeTogether([recordFile([id, record])], randomBytes);
        } else {
          await writeMissing(place, provider.credential.companions, randomBytes);
          const isNew = !entries.has(id);
          try {
            await linkHome(place);
            await writeTogether([...newFiles(place, files), recordFile([id, record])], randomBytes);
          } catch (error) {
            // Links to nothing would be worse than none.
            if (isNew) await unlinkHome(place);
            throw error;
          }
          await removeOthers(
            place,
            files.map(({ path }) => path),
          );
        }
        hold(id, record, digest, true);
        log('a credential was put', { provider: id, kind, version });
      }),
    get: (id) => inTurn(() => content(id)),
    kept: (id, version, digest) =>
      inTurn(async () => {
        await look(id);
        const entry = entries.get(id);
        if (entry === undefined || entry.digest !== digest) return;
        Object.assign(entry, { version, handedDigest: digest });
        await saveRecords();
        tell();
      }),
    drop: async (id) => {
      await endUse(id);
      return inTurn(async () => {
        const last = await content(id).catch((error: unknown) => {
          log('a credential that is dropped was not whole', { provider: id, error: describeError(error) });
          return null;
        });
        await erase(id);
        return last;
      });
    },
    eraseAll: async () => {
      for (const id of [...entries.keys()]) await endUse(id);
      await inTurn(async () => {
        for (const id of [...entries.keys()]) await erase(id);
      });
    },
    held: () =>
      [...entries].map(([provider, { kind, version, digest, intact, handedDigest }]) => ({
        ...{ provider, kind, version, digest, intact },
        changed: digest !== handedDigest,
      })),
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    environment: (provider) =>
      Object.assign(
        {},
        ...[...entries].map(([id, { env }]) => (provider === null || provider === id ? reveal(env) : {})),
      ) as Record<string, string>,
    using: (provider, end) => {
      const using = users.get(provider) ?? new Set();
      users.set(provider, using.add(end));
      return () => void using.delete(end);
    },
    beginLogin: async (id, onWrite) => {
      await endUse(id);
      return inTurn(async () => {
        const place = placeOf(find(id));
        await erase(id);
        await mount(folder);
        await linkHome(place);
        const unwatch = watch(place, onWrite);
        logins.add(unwatch);
        const mine = Symbol(id);
        latest.set(id, mine);
        let over = false;
        const end = (): boolean => {
          unwatch();
          logins.delete(unwatch);
          return over || !(over = true);
        };
        return {
          read: () =>
            inTurn(async () => {
              const files = over ? [] : await takeBack(place);
              if (files.length === 0) return null;
              const secrets = files.flatMap((file) => secretWords(file.content.toString()));
              return { parsed: parseFiles(place, files), secrets };
            }),
          adopt: () =>
            inTurn(async () => {
              if (end()) return;
              const { digest, intact } = judgeFiles(place, await takeBack(place));
              const record: CredentialRecord = { kind: 'sign_in', version: 0, handedDigest: null, env: {} };
              await writeTogether([recordFile([id, record])], randomBytes);
              hold(id, record, digest, intact);
            }),
          abandon: () =>
            inTurn(async () => {
              end();
              if (latest.get(id) === mine) await erase(id);
            }),
        };
      });
    },
    stop: () => {
      stopped = true;
      for (const { unwatch } of entries.values()) unwatch();
      for (const unwatch of logins) unwatch();
      for (const timer of settling.values()) clearTimeout(timer);
    },
  };
}

function reveal(env: Readonly<Record<string, Secret>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, secret]) => [name, secret.reveal()]));
}
