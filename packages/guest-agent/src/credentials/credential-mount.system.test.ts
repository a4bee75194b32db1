import { providers } from '@hearth/contract';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guestUsers } from '../exec/login-user.ts';
import { loadNativeModules } from '../pty/native-modules.ts';
import { startPty } from '../pty/pty.ts';
import { fakeFile, fakeProvider } from '../testing/fake-provider.ts';
import { mountCredentials } from './credential-mount.ts';
import { createCredentialStore, type CredentialStore } from './credential-store.ts';

let root: string;
let tmpfs: string;
let store: CredentialStore;
const modules = loadNativeModules(resolve(import.meta.dirname, '../../../../node_modules'));
const user = (): typeof guestUsers.hearth => ({ ...guestUsers.hearth, home: join(root, 'home') });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearth-tmpfs-'));
  await chmod(root, 0o755);
  tmpfs = join(root, 'credentials');
  await mkdir(user().home);
  await chown(user().home, 1000, 1000);
  store = createCredentialStore({
    ...{ folder: tmpfs, mount: mountCredentials, user: user(), log: () => undefined },
    randomBytes: (size) => randomBytes(size),
    providers: { codex: fakeProvider() },
  });
  await store.open();
});
afterEach(async () => {
  store.stop();
  execFileSync('sh', ['-c', 'while mountpoint -q "$1"; do umount "$1"; done', 'sh', tmpfs]);
  await rm(root, { recursive: true });
});

const put = (token?: string): Promise<void> =>
  store.put({
    ...{ provider: 'codex', kind: 'sign_in', version: 1, env: {} },
    files: [{ path: '.fake/auth.json', contentBase64: Buffer.from(fakeFile(token)).toString('base64') }],
  });

async function run(script: string): Promise<{ exitCode: number; output: string }> {
  const pty = await startPty({
    ...{ modules, command: ['sh', '-c', script], env: {}, cwd: '/', user: user(), cols: 80, rows: 24 },
  });
  let output = '';
  pty.onData((bytes) => (output += Buffer.from(bytes).toString()));
  return { exitCode: (await pty.exited).exitCode, output };
}

describe('as root', () => {
  it('mounts one small tmpfs that its user can enter, but not list', async () => {
    await put();
    await put();
    const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
      .split('\n')
      .filter((line) => line.includes(tmpfs));
    expect(mounts).toHaveLength(1);
    expect(mounts[0]).toMatch(/nosuid,nodev,noexec.* tmpfs .*size=8192k/);
    expect((await stat(tmpfs)).mode & 0o777).toBe(0o711);
    const { uid, gid, mode } = await stat(join(tmpfs, 'codex/.fake/auth.json'));
    expect([uid, gid, mode & 0o777]).toEqual([1000, 1000, 0o600]);
    const { output } = await run(`cat ~/.fake/auth.json; ls ${tmpfs} 2>&1; cat ${tmpfs}/state.json 2>&1`);
    expect(output).toContain(fakeFile());
    expect(output.match(/Permission denied/g)).toHaveLength(2);
  });

  it('names a full tmpfs, keeps what was there whole, and leaves nothing half-written', async () => {
    await put();
    await run(`head -c 20M /dev/zero > ${tmpfs}/codex/.fake/full`);
    await expect(put(`fake-${'x'.repeat(50_000)}-NOT-A-TOKEN`)).rejects.toMatchObject({ code: 'disk_full' });
    expect(await readFile(join(user().home, '.fake/auth.json'), 'utf8')).toBe(fakeFile());
    expect(store.held()).toMatchObject([{ version: 1, intact: true, changed: false }]);
    expect((await readdir(tmpfs, { recursive: true })).filter((name) => name.endsWith('.part'))).toEqual([]);
    await rm(join(tmpfs, 'codex/.fake/full'));
    await put('fake-again-NOT-A-TOKEN');
    expect(await readFile(join(user().home, '.fake/auth.json'), 'utf8')).toContain('fake-again');
  });

  it('a tool that finds it full leaves half a file, which is not offered', async () => {
    await put();
    await run(`head -c 20M /dev/zero > ${tmpfs}/codex/.fake/full; echo '{"token":"' > ~/.fake/auth.json`);
    await expect.poll(() => store.held()).toMatchObject([{ intact: false, changed: true }]);
    expect(await store.drop('codex')).toBeNull();
    expect(await readdir(tmpfs)).toEqual(['state.json']);
  });

  it('a PTY is its user’s: by name, without root’s groups, with nothing else of the agent’s', async () => {
    const { exitCode, output } = await run(
      'id -u; id -G; echo named > /dev/stderr; echo too > "$(tty)"; cat /proc/self/oom_score_adj',
    );
    expect(output.split('\r\n').slice(0, 4)).toEqual(['1000', '1000', 'named', 'too']);
    expect(exitCode).toBe(0);
  });

  it.each(Object.values(providers).map((provider) => [provider.id, provider] as const))(
    'links and unlinks the home for %s',
    async (_id, { credential, ...rest }) => {
      const described = {
        ...rest,
        credential: {
          ...credential,
          parse: () => ({ ok: true, account: null, expiresAtMs: null, refreshable: true }) as const,
        },
      };
      store.stop();
      store = createCredentialStore({
        ...{ folder: tmpfs, mount: mountCredentials, user: user(), log: () => undefined },
        randomBytes: (size) => randomBytes(size),
        providers: { [rest.id]: described },
      });
      const path = credential.files[0] ?? '';
      await store.put({
        ...{ provider: rest.id, kind: 'sign_in', version: 1, env: {} },
        files: [{ path, contentBase64: Buffer.from('{}').toString('base64') }],
      });
      const { exitCode } = await run(
        `echo '{"a":1}' > ~/${path} && test "$(stat -L -c %U ~/${path})" = "$(id -un)"`,
      );
      expect(exitCode).toBe(0);
      await expect.poll(() => store.held()).toMatchObject([{ changed: true, intact: true }]);
      await store.drop(rest.id);
      await expect(stat(join(user().home, path))).rejects.toThrow('ENOENT');
      await writeFile(join(user().home, path), 'an ordinary folder again');
    },
  );
});
