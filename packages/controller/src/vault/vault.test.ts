import { Secret, type ProviderId, type UserId } from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCredentialBook, type CredentialBook } from '../credentials/credential-book.ts';
import { createCredentialStore, type CredentialStore } from '../store/credentials.ts';
import { openDatabase, type Database } from '../store/database.ts';
import { masterKey, newMasterKey, open, parseMasterKey, seal } from './envelope.ts';
import { environmentKeys, fileKeys, type KeyStore } from './key-store.ts';
import { createVault, type Vault } from './vault.ts';

const SECRET = new Secret('fake-secret-NOT-A-TOKEN');
const PLACE = { rowId: 'crd-000000000000', version: 1 };
const world = { now: () => new Date(), randomBytes };
const userId = 'usr-000000000000' as UserId;

let folder: string;
let file: string;
let db: Database;
let store: CredentialStore;
let vault: Vault;
let book: CredentialBook;

/** As a start of the controller with these keys. */
const start = (keys: KeyStore, over: Partial<CredentialStore> = {}): void => {
  store = { ...createCredentialStore(db), ...over };
  vault = createVault({ keys, store, randomBytes });
  book = createCredentialBook({ db, store, vault, world });
};
const put = async (provider: ProviderId, secret = SECRET): Promise<void> => {
  const writer = { type: 'api_key', userId } as const;
  const facts = { account: null, expiresAtMs: null, ownerVmId: null };
  await book.write({ userId, provider }, { kind: 'api_key', writer, ...facts }, secret);
};
const reveal = async (provider: ProviderId): Promise<string> => {
  const sealed = await book.get({ userId, provider });
  if (sealed === null) throw new Error('there is none');
  return (await book.reveal(sealed)).reveal();
};
const keysInFile = async (): Promise<number> =>
  (JSON.parse(await readFile(file, 'utf8')) as { keys: string[] }).keys.length;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-vault-'));
  file = join(folder, 'master.key');
  db = await openDatabase(join(folder, 'hearth.db'));
  await db.insertInto('users').values({ id: userId, name: 'ana', role: 'user', created_at: '' }).execute();
  start(fileKeys(file));
});
afterEach(async () => {
  await db.destroy();
  await rm(folder, { recursive: true });
});

describe('envelope', () => {
  it('opens in its own place under its own key alone, and every bit counts', () => {
    const key = newMasterKey(randomBytes);
    const envelope = seal(key, SECRET, PLACE, randomBytes);
    expect(open(key, envelope, PLACE).reveal()).toBe(SECRET.reveal());
    expect(JSON.stringify(envelope)).not.toContain('fake-secret');
    const other = newMasterKey(randomBytes);
    expect(() => open(key, envelope, { ...PLACE, version: 2 })).toThrow('another place');
    expect(() => open(key, envelope, { ...PLACE, rowId: 'crd-111111111111' })).toThrow('another place');
    expect(() => open({ ...other, id: key.id }, envelope, PLACE)).toThrow('altered');
    expect(() => open({ ...key, id: other.id }, envelope, PLACE)).toThrow('altered');
    for (const part of ['iv', 'tag', 'data'] as const) {
      const bytes = Buffer.from(envelope[part], 'base64');
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      expect(() => open(key, { ...envelope, [part]: bytes.toString('base64') }, PLACE)).toThrow('altered');
    }
    // A tag that was cut off would be guessed in no time.
    const short = Buffer.from(envelope.tag, 'base64').subarray(0, 4).toString('base64');
    expect(() => open(key, { ...envelope, tag: short }, PLACE)).toThrow('altered');
  });

  it('takes keys as hex and base64, and quotes no wrong one', () => {
    const bytes = randomBytes(32);
    const { id } = masterKey(bytes);
    for (const form of ['hex', 'base64', 'base64url'] as const)
      expect(parseMasterKey(new Secret(`${bytes.toString(form)}\n`), 'X').id).toBe(id);
    const wrong = (): unknown => parseMasterKey(new Secret('fake-short-key'), 'HEARTH_MASTER_KEY');
    expect(wrong).toThrow('HEARTH_MASTER_KEY is no key');
    expect(wrong).not.toThrow('fake-short-key');
  });
});

describe('key file', () => {
  it('is made at the first use, for its owner alone, and is the same after a restart', async () => {
    await put('codex');
    const { mode, uid } = await stat(file);
    expect([mode & 0o777, uid]).toEqual([0o600, process.getuid?.()]);
    start(fileKeys(file));
    expect(await reveal('codex')).toBe(SECRET.reveal());
  });

  it('is refused where others may read it, or it is another user’s, or it is garbage', async () => {
    await put('codex');
    const use = (): Promise<unknown> => {
      start(fileKeys(file));
      return reveal('codex');
    };
    for (const mode of [0o640, 0o604, 0o666]) {
      await chmod(file, mode);
      await expect(use()).rejects.toMatchObject({ code: 'vault_failed' });
    }
    await chmod(file, 0o600);
    if (process.getuid?.() === 0) {
      await chown(file, 65_534, 65_534);
      await expect(use()).rejects.toThrow('another user');
      await chown(file, 0, 0);
    }
    const good = await readFile(file, 'utf8');
    for (const text of [
      '',
      'garbage',
      '{"v":1,"keys":[]}',
      good.replace('"v":1', '"v":2'),
      '{"v":1,"keys":["AAAA"]}',
    ]) {
      await writeFile(file, text);
      await expect(use()).rejects.toMatchObject({ code: 'vault_failed' });
    }
    await writeFile(file, good);
    expect(await use()).toBe(SECRET.reveal());
  });

  it('that is lost or another one closes the vault, and no new one is made in its place', async () => {
    await put('codex');
    const good = await readFile(file);
    await rm(file);
    start(fileKeys(file));
    await expect(vault.check()).rejects.toMatchObject({ code: 'vault_failed' });
    await expect(put('gemini_cli')).rejects.toMatchObject({ code: 'vault_failed' });
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
    start(environmentKeys(new Secret(randomBytes(32).toString('hex')), null));
    await expect(reveal('codex')).rejects.toMatchObject({ code: 'vault_failed' });
    start(fileKeys(file));
    await expect(vault.check()).rejects.toThrow('is not there');
    await writeFile(file, good, { mode: 0o600 });
    // A restored file is enough: no restart.
    expect(await reveal('codex')).toBe(SECRET.reveal());
  });

  it('that is lost for good: once what was under it is removed, the vault opens with a new one', async () => {
    await put('codex');
    await rm(file);
    start(fileKeys(file));
    await expect(vault.check()).rejects.toMatchObject({ code: 'vault_failed' });
    await book.remove({ userId, provider: 'codex' });
    await put('codex');
    expect(await reveal('codex')).toBe(SECRET.reveal());
  });
});

describe('rotation', () => {
  it('puts everything under a new key, and forgets the old one', async () => {
    await put('codex');
    await put('gemini_cli');
    const before = await store.keyIds();
    const { keyId, reencrypted } = await vault.rotate();
    expect(reencrypted).toBe(2);
    expect(await store.keyIds()).toEqual([keyId]);
    expect(before).not.toContain(keyId);
    expect(await keysInFile()).toBe(1);
    start(fileKeys(file));
    expect(await reveal('codex')).toBe(SECRET.reveal());
  });

  const broken = new Error('the power went');
  /** A file whose `count`-th writing doesn't happen. */
  const failingKeys = (count: number): KeyStore => {
    const real = fileKeys(file);
    let saves = 0;
    return {
      ...real,
      save: async (keys) => {
        saves += 1;
        if (saves === count) throw broken;
        await real.save?.(keys);
      },
    };
  };
  const crashes: Record<string, () => void> = {
    'before the new key is in the file': () => start(failingKeys(1)),
    'before the secrets are under it': () => start(fileKeys(file), { reseal: () => Promise.reject(broken) }),
    'in the middle of the secrets': () => {
      const real = createCredentialStore(db);
      let count = 0;
      start(fileKeys(file), {
        reseal: (reseal) =>
          real.reseal((sealed) => {
            count += 1;
            if (count === 2) throw broken;
            return reseal(sealed);
          }),
      });
    },
    'before the old key is forgotten': () => start(failingKeys(2)),
  };
  for (const [when, arrange] of Object.entries(crashes))
    it(`loses nothing in a crash ${when}, and ends after the restart`, async () => {
      await put('codex');
      await put('gemini_cli', new Secret('fake-other-NOT-A-TOKEN'));
      arrange();
      await expect(vault.rotate()).rejects.toThrow('the power went');
      start(fileKeys(file));
      expect(await reveal('codex')).toBe(SECRET.reveal());
      expect(await reveal('gemini_cli')).toBe('fake-other-NOT-A-TOKEN');
      await vault.recover();
      expect(await keysInFile()).toBe(1);
      expect(await store.keyIds()).toHaveLength(1);
      start(fileKeys(file));
      expect(await reveal('codex')).toBe(SECRET.reveal());
      expect(await reveal('gemini_cli')).toBe('fake-other-NOT-A-TOKEN');
    });

  it('what is written meanwhile is under a key that stays', async () => {
    await put('codex');
    const writes = Array.from({ length: 20 }, (_, index) => put('gemini_cli', new Secret(`fake-${index}`)));
    await Promise.all([vault.rotate(), ...writes, vault.rotate(), put('codex')]);
    start(fileKeys(file));
    expect(await keysInFile()).toBe(1);
    expect(await reveal('codex')).toBe(SECRET.reveal());
    expect(await reveal('gemini_cli')).toMatch(/^fake-\d+$/);
  });

  it('with keys of the environment: what is under the previous one comes under the present one', async () => {
    const [old, next] = [randomBytes(32), randomBytes(32)].map(
      (bytes) => new Secret(bytes.toString('base64')),
    );
    if (old === undefined || next === undefined) throw new Error('no keys');
    start(environmentKeys(old, null));
    await put('codex');
    await expect(vault.rotate()).rejects.toMatchObject({ code: 'conflict' });
    start(environmentKeys(next, old));
    expect(await reveal('codex')).toBe(SECRET.reveal());
    await vault.recover();
    start(environmentKeys(next, null));
    expect(await reveal('codex')).toBe(SECRET.reveal());
  });
});
