import type { GuestCredential, HeldCredential, Provider } from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { FAKE_TOKEN, fakeFile, fakeProvider } from '../testing/fake-provider.ts';
import { createCredentialStore, type CredentialStore } from './credential-store.ts';

const { uid, gid } = userInfo();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Bench {
  root: string;
  home: string;
  tmpfs: string;
  said: string[];
  open: (provider?: Provider) => Promise<CredentialStore>;
}

async function bench(provider: Provider = fakeProvider()): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'hearth-credentials-'));
  cleanups.push(() => rm(root, { recursive: true, force: true }));
  const home = join(root, 'home');
  const tmpfs = join(root, 'tmpfs');
  await mkdir(home);
  const said: string[] = [];
  return {
    root,
    home,
    tmpfs,
    said,
    open: async (described = provider) => {
      const store = createCredentialStore({
        folder: tmpfs,
        mount: async (folder) => {
          await mkdir(folder, { recursive: true });
        },
        user: { uid, gid, home },
        randomBytes: (size) => randomBytes(size),
        log: (message, fields) => void said.push(`${message} ${JSON.stringify(fields)}`),
        providers: { codex: described },
      });
      cleanups.push(() => store.stop());
      await store.open();
      return store;
    },
  };
}

const signIn = (text = fakeFile(), version = 1): GuestCredential => ({
  ...{ provider: 'codex', kind: 'sign_in', version, env: {} },
  files: [{ path: '.fake/auth.json', contentBase64: Buffer.from(text).toString('base64') }],
});
const apiKey = (value = 'fake-key-NOT-A-TOKEN'): GuestCredential => ({
  ...{ provider: 'codex', kind: 'api_key', version: 1, files: [] },
  env: { FAKE_API_KEY: value },
});
const held = (store: CredentialStore): Partial<HeldCredential> => store.held()[0] ?? {};

/** Every regular file below a folder that holds the word; links aren't followed. */
async function filesWith(folder: string, word: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && (await readFile(path, 'latin1')).includes(word)) found.push(path);
  }
  return found;
}

describe('a credential that is put', () => {
  it('is in the tmpfs, linked from the home, its owner’s alone', async () => {
    const { home, tmpfs, open } = await bench();
    const store = await open();
    await store.put(signIn());
    const path = join(home, '.fake/auth.json');
    expect(await readFile(path, 'utf8')).toBe(fakeFile());
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    expect((await readlink(path)).startsWith(tmpfs)).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(join(home, '.fake/config.toml'), 'utf8')).toBe('onboarded = true\n');
    expect(await filesWith(home, FAKE_TOKEN)).toEqual([]);
    expect(store.held()).toMatchObject([{ provider: 'codex', version: 1, intact: true, changed: false }]);
    expect(await store.get('codex')).toEqual(signIn());
  });

  it('replaces what was on the disk, and companions stay as they are', async () => {
    const { home, open } = await bench();
    await mkdir(join(home, '.fake'));
    await writeFile(join(home, '.fake/auth.json'), fakeFile('fake-old-NOT-A-TOKEN'));
    await writeFile(join(home, '.fake/config.toml'), 'mine');
    const store = await open();
    await store.put(signIn());
    expect(await filesWith(home, 'fake-old')).toEqual([]);
    expect(await readFile(join(home, '.fake/config.toml'), 'utf8')).toBe('mine');
  });

  it.each([
    ['truncated', fakeFile().slice(0, 20), 'not JSON'],
    ['not JSON', 'hello', 'not JSON'],
    ['empty', '', 'not JSON'],
    ['without a token', '{"a":1}', 'no token'],
  ])('is refused where it is %s, and what was there stays', async (_what, text, reason) => {
    const { home, open } = await bench();
    const store = await open();
    await expect(store.put(signIn(text))).rejects.toMatchObject({ code: 'credential_invalid' });
    await expect(lstat(join(home, '.fake/auth.json'))).rejects.toThrow('ENOENT');
    await store.put(signIn());
    await expect(store.put(signIn(text))).rejects.toThrow(reason);
    expect(await readFile(join(home, '.fake/auth.json'), 'utf8')).toBe(fakeFile());
  });

  it('is refused where it has files that the descriptor doesn’t know, or no content', async () => {
    const { open } = await bench();
    const store = await open();
    const file = { path: '.bashrc', contentBase64: '' };
    await expect(store.put({ ...signIn(), files: [file] })).rejects.toThrow('.bashrc is not a credential');
    await expect(store.put({ ...signIn(), files: [] })).rejects.toThrow('no auth.json');
    await expect(store.put({ ...apiKey(), env: {} })).rejects.toThrow('no API key');
    await expect(store.put({ ...signIn(), env: { A: 'b' } })).rejects.toThrow('no variables');
    await expect(store.get('gemini_cli')).resolves.toBeNull();
    await expect(store.put({ ...apiKey(), provider: 'gemini_cli' })).rejects.toThrow('not known');
  });

  it('does not follow a link of the home that leads out of it', async () => {
    const { root, home, open } = await bench();
    await mkdir(join(root, 'elsewhere'));
    await symlink(join(root, 'elsewhere'), join(home, '.fake'));
    const store = await open();
    await expect(store.put(signIn())).rejects.toThrow('is not below');
    expect(await readdir(join(root, 'elsewhere'))).toEqual([]);
    expect(store.held()).toEqual([]);
  });

  it('is a variable where it is an API key, and no file in the home', async () => {
    const { home, open } = await bench();
    const store = await open();
    await store.put(signIn());
    await store.put(apiKey());
    expect(store.environment('codex')).toEqual({ FAKE_API_KEY: 'fake-key-NOT-A-TOKEN' });
    expect(store.environment(null)).toEqual({ FAKE_API_KEY: 'fake-key-NOT-A-TOKEN' });
    expect(store.environment('claude_code')).toEqual({});
    expect(await readdir(join(home, '.fake'))).toEqual(['config.toml']);
    expect(held(store)).toMatchObject({ kind: 'api_key', intact: true, changed: false });
    expect(await store.get('codex')).toEqual(apiKey());
    expect(JSON.stringify(store.held())).not.toContain('fake-key');
  });
});

describe('a tool that rewrites its file', () => {
  const changed = async (store: CredentialStore, rewrite: () => Promise<unknown>): Promise<void> => {
    let changes = 0;
    const end = store.onChange(() => changes++);
    await rewrite();
    await expect.poll(() => changes).toBeGreaterThan(0);
    end();
  };

  it('through the link: the new version is told, and kept when the vault has it', async () => {
    const { home, open } = await bench();
    const store = await open();
    await store.put(signIn());
    const before = held(store).digest;
    await changed(store, () => writeFile(join(home, '.fake/auth.json'), fakeFile('fake-new-NOT-A-TOKEN')));
    expect(held(store)).toMatchObject({ version: 1, intact: true, changed: true });
    const { digest = '' } = held(store);
    expect(digest).not.toBe(before);
    await store.kept('codex', 2, before ?? '');
    expect(held(store)).toMatchObject({ version: 1, changed: true });
    await store.kept('codex', 2, digest);
    expect(held(store)).toMatchObject({ version: 2, changed: false });
    expect(await store.get('codex')).toEqual(signIn(fakeFile('fake-new-NOT-A-TOKEN'), 2));
  });

  it('half: it is not intact, and not offered, until it is whole', async () => {
    const { home, open } = await bench();
    const store = await open();
    await store.put(signIn());
    await changed(store, () => writeFile(join(home, '.fake/auth.json'), fakeFile().slice(0, 10)));
    expect(held(store)).toMatchObject({ intact: false, changed: true });
    await expect(store.get('codex')).rejects.toMatchObject({ code: 'credential_invalid' });
    await changed(store, () => writeFile(join(home, '.fake/auth.json'), fakeFile('fake-whole-NOT-A-TOKEN')));
    expect(held(store)).toMatchObject({ intact: true, changed: true });
  });

  it('by a file in the link’s place: it is taken back into the tmpfs', async () => {
    const { home, open, said } = await bench();
    const store = await open();
    await store.put(signIn());
    const path = join(home, '.fake/auth.json');
    await changed(store, async () => {
      await writeFile(`${path}.tmp`, fakeFile('fake-moved-NOT-A-TOKEN'));
      await rename(`${path}.tmp`, path);
    });
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    expect(await readFile(path, 'utf8')).toBe(fakeFile('fake-moved-NOT-A-TOKEN'));
    expect(await filesWith(home, 'fake-moved')).toEqual([]);
    expect(said.join()).toContain('taken back');
    expect(said.join()).not.toContain('NOT-A-TOKEN');
  });

  it('by removing it (a logout): it is not offered any more', async () => {
    const { home, open } = await bench();
    const store = await open();
    await store.put(signIn());
    await changed(store, () => rm(join(home, '.fake/auth.json')));
    expect(held(store)).toMatchObject({ intact: false });
    await store.put(signIn(fakeFile(), 3));
    expect(held(store)).toMatchObject({ version: 3, intact: true, changed: false });
  });
});

describe('a credential that is dropped', () => {
  it('is handed out once more, ends what uses it, and leaves nothing', async () => {
    const { root, home, open } = await bench();
    const store = await open();
    await store.put(signIn());
    await writeFile(join(home, '.fake/auth.json'), fakeFile('fake-last-NOT-A-TOKEN'));
    const ended: string[] = [];
    const release = store.using('codex', () => {
      ended.push('run');
      setTimeout(release, 20);
    });
    const other = store.using('claude_code', () => ended.push('other'));
    expect(await store.drop('codex')).toEqual(signIn(fakeFile('fake-last-NOT-A-TOKEN')));
    other();
    expect(ended).toEqual(['run']);
    expect(store.held()).toEqual([]);
    expect(await readdir(join(home, '.fake'))).toEqual(['config.toml']);
    expect(await filesWith(root, 'NOT-A-TOKEN')).toEqual([]);
    expect(await store.drop('codex')).toBeNull();
  });

  it('gives nothing where it is not whole, and is erased all the same', async () => {
    const { root, home, open } = await bench();
    const store = await open();
    await store.put(signIn());
    await writeFile(join(home, '.fake/auth.json'), fakeFile().slice(0, -3));
    expect(await store.drop('codex')).toBeNull();
    expect(await filesWith(root, FAKE_TOKEN)).toEqual([]);
  });

  it('goes with all others before a snapshot', async () => {
    const { root, open } = await bench();
    const store = await open();
    await store.put(apiKey());
    await store.eraseAll();
    expect(store.held()).toEqual([]);
    expect(await filesWith(root, 'NOT-A-TOKEN')).toEqual([]);
  });
});

describe('an agent that is started anew', () => {
  it('takes up what the tmpfs holds, rewritten meanwhile', async () => {
    const { home, open } = await bench();
    const first = await open();
    await first.put(signIn(fakeFile(), 4));
    first.stop();
    await writeFile(join(home, '.fake/auth.json'), fakeFile('fake-meanwhile-NOT-A-TOKEN'));
    const next = await open();
    expect(held(next)).toMatchObject({ version: 4, intact: true, changed: true });
    await next.put(apiKey());
    next.stop();
    expect((await open()).environment('codex')).toEqual({ FAKE_API_KEY: 'fake-key-NOT-A-TOKEN' });
  });

  it('after a boot: takes away links that lead nowhere, and leaves a person’s own sign-in', async () => {
    const { home, tmpfs, open } = await bench();
    const first = await open();
    await first.put(signIn());
    first.stop();
    await rm(tmpfs, { recursive: true });
    const next = await open();
    expect(next.held()).toEqual([]);
    expect(await readdir(join(home, '.fake'))).toEqual(['config.toml']);
    await writeFile(join(home, '.fake/auth.json'), 'by hand');
    await open();
    expect(await readFile(join(home, '.fake/auth.json'), 'utf8')).toBe('by hand');
  });
});

describe('a login', () => {
  it('writes into the tmpfs; held only when adopted, with version 0', async () => {
    const { root, home, open } = await bench();
    const store = await open();
    let writes = 0;
    const login = await store.beginLogin('codex', () => writes++);
    expect(await login.read()).toBeNull();
    await writeFile(join(home, '.fake/auth.json'), '{"tok');
    await expect.poll(() => writes).toBeGreaterThan(0);
    expect((await login.read())?.parsed.ok).toBe(false);
    await writeFile(join(home, '.fake/auth.json'), fakeFile());
    expect(await login.read()).toEqual({
      parsed: { ok: true, account: 'ada@example.org', expiresAtMs: null, refreshable: true },
      secrets: [FAKE_TOKEN],
    });
    expect(await filesWith(home, FAKE_TOKEN)).toEqual([]);
    expect(store.held()).toEqual([]);
    await login.adopt();
    expect(store.held()).toMatchObject([{ version: 0, intact: true, changed: true }]);
    expect(await store.get('codex')).toEqual(signIn(fakeFile(), 0));
    expect(await filesWith(root, FAKE_TOKEN)).toHaveLength(1);
  });

  it('leaves nothing when it is abandoned', async () => {
    const { root, home, open } = await bench();
    const store = await open();
    const login = await store.beginLogin('codex', () => undefined);
    await writeFile(join(home, '.fake/auth.json'), fakeFile());
    await login.abandon();
    await login.adopt();
    expect(store.held()).toEqual([]);
    expect(await filesWith(root, FAKE_TOKEN)).toEqual([]);
    expect(await readdir(join(home, '.fake'))).toEqual([]);
  });
});

describe('a folder that is linked as a whole', () => {
  const provider = fakeProvider({ type: 'folder', folder: '.fake' });
  const begin = async () => {
    const all = await bench(provider);
    await mkdir(join(all.home, '.fake/sessions'), { recursive: true });
    await writeFile(join(all.home, '.fake/sessions/one'), 'old session');
    await writeFile(join(all.home, '.fake/history'), 'old history');
    await writeFile(join(all.home, '.fake/auth.json'), fakeFile('fake-disk-NOT-A-TOKEN'));
    const store = await all.open();
    await store.put(signIn());
    return { ...all, store, path: join(all.home, '.fake') };
  };

  it('keeps everything but the secret on the disk, where the tool finds it', async () => {
    const { home, path } = await begin();
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    expect(await readFile(join(path, 'auth.json'), 'utf8')).toBe(fakeFile());
    expect((await lstat(join(path, 'auth.json'))).isFile()).toBe(true);
    expect(await readFile(join(path, 'sessions/one'), 'utf8')).toBe('old session');
    await writeFile(join(path, 'sessions/two'), 'new session');
    await writeFile(join(path, 'history'), 'new history');
    expect((await readdir(`${path}.on-disk`)).sort()).toEqual(['config.toml', 'history', 'sessions']);
    expect(await readFile(`${path}.on-disk/sessions/two`, 'utf8')).toBe('new session');
    expect(await filesWith(home, 'NOT-A-TOKEN')).toEqual([]);
  });

  it('lets the tool rename over its file', async () => {
    const { home, path, store } = await begin();
    await writeFile(join(path, 'auth.json.tmp'), fakeFile('fake-renamed-NOT-A-TOKEN'));
    await rename(join(path, 'auth.json.tmp'), join(path, 'auth.json'));
    await expect.poll(() => held(store)).toMatchObject({ intact: true, changed: true });
    expect(await filesWith(home, 'NOT-A-TOKEN')).toEqual([]);
  });

  it(
    'moves what the tool makes to the disk, but nothing with the secret in it',
    { timeout: 20_000 },
    async () => {
      const { home, path } = await begin();
      await mkdir(join(path, 'logs'));
      await writeFile(join(path, 'logs/one'), 'a log');
      await writeFile(join(path, 'state'), 'a state');
      await writeFile(join(path, '.tmp-5'), fakeFile());
      const isLink = async (name: string) => (await lstat(join(path, name))).isSymbolicLink();
      await expect.poll(() => isLink('logs'), { timeout: 15_000 }).toBe(true);
      await expect.poll(() => isLink('state')).toBe(true);
      expect(await isLink('.tmp-5')).toBe(false);
      expect(await readFile(join(path, 'logs/one'), 'utf8')).toBe('a log');
      expect(await readFile(join(`${path}.on-disk`, 'state'), 'utf8')).toBe('a state');
      expect(await filesWith(home, 'NOT-A-TOKEN')).toEqual([]);
    },
  );

  it('is an ordinary folder again when the credential is dropped, with what the tool made last', async () => {
    const { root, path, store } = await begin();
    await writeFile(join(path, 'late'), 'written last');
    await store.drop('codex');
    expect((await lstat(path)).isDirectory()).toBe(true);
    expect((await readdir(path)).sort()).toEqual(['config.toml', 'history', 'late', 'sessions']);
    expect(await readFile(join(path, 'late'), 'utf8')).toBe('written last');
    expect(await readdir(dirname(path))).toEqual(['.fake']);
    expect(await filesWith(root, 'NOT-A-TOKEN')).toEqual([]);
  });

  it('is one again after a boot, too', async () => {
    const { tmpfs, path, open, store } = await begin();
    store.stop();
    await rm(tmpfs, { recursive: true });
    await open();
    expect((await readdir(path)).sort()).toEqual(['config.toml', 'history', 'sessions']);
    expect((await lstat(path)).isDirectory()).toBe(true);
  });
});
