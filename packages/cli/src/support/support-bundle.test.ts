import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { say as sayLine } from '../test-answers.ts';
import { plantedSecrets } from './test-secrets.ts';

const VM = 'vm-000000000001';
const ADMIN_TOKEN = 'plain-fake-admin-value-NOT-A-TOKEN';
const MASTER_KEY = Buffer.from('fake master key, NOT-A-KEY, 32 b').toString('base64');

let folder: string;
let config: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-bundle-test-'));
  config = join(folder, 'hearth.json');
  const state = join(folder, 'state');
  for (const place of ['logs', 'controller', `consoles/${VM}`])
    await mkdir(join(state, place), { recursive: true });
  await mkdir(join(folder, 'run'));
  await writeFile(
    config,
    JSON.stringify({
      name: 'bundletest',
      stateDir: state,
      runDir: join(folder, 'run'),
      controller: { port: 9, publicUrl: 'https://ana:fake-NOT-A-PASSWORD@hearth.example.test/' },
    }),
  );
  await writeFile(join(state, 'admin.token'), `${ADMIN_TOKEN}\n`);
  await writeFile(join(state, 'controller', 'master.key'), JSON.stringify({ v: 1, keys: [MASTER_KEY] }));
  const lines = [
    ...plantedSecrets.flatMap(({ text }) => [
      text,
      JSON.stringify({ level: 'info', msg: 'said', words: text }),
    ]),
    `{"level":30,"msg":"the words of this machine: ${ADMIN_TOKEN} ${MASTER_KEY}"}`,
    '{"level":30,"msg":"an ordinary line"}',
  ];
  for (const name of ['controller.log', 'host.log', 'host.log.1'])
    await writeFile(join(state, 'logs', name), `${lines.join('\n')}\n`);
  await writeFile(join(state, 'consoles', VM, 'console.log'), lines.join('\r\n'));
  await writeFile(
    join(state, 'consoles', VM, 'why.json'),
    JSON.stringify({
      ...{ vmId: VM, at: '2026-01-31T12:00:00.000Z', trigger: 'failed', verdict: 'healthy' },
      ...{ summary: plantedSecrets[0]?.text ?? '', finding: null, checks: [], tookMs: 1 },
    }),
  );
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const say = (...words: string[]) => sayLine('support-bundle', '--config', config, ...words);

/** Name and text of each file of the bundle. */
async function unpack(file: string): Promise<Map<string, string>> {
  const target = join(folder, 'unpacked');
  await mkdir(target);
  execFileSync('tar', ['-C', target, '-xzf', file]);
  const files = new Map<string, string>();
  const [root = ''] = await readdir(target);
  for (const entry of await readdir(join(target, root), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(join(target, root).length + 1), await readFile(path, 'utf8'));
  }
  return files;
}

describe('hearth support-bundle', () => {
  test('is made while no daemon runs, says what is missing, and holds no secret', async () => {
    const file = join(folder, 'bundle.tar.gz');
    const { code, out } = await say('--out', file, '--json');
    expect(code).toBe(0);
    const told = JSON.parse(out) as { file: string; bytes: number; missing: string[] };
    expect(told.file).toBe(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    const files = await unpack(file);
    expect([...files.keys()]).toEqual(
      expect.arrayContaining([
        ...[
          'versions.txt',
          'status.json',
          'config.json',
          'logs/controller.log',
          'logs/host.log',
          'logs/host.log.1',
        ],
        ...[`vms/${VM}/why.json`, `vms/${VM}/console.log`, 'machine.txt', 'packages.txt', 'missing.txt'],
      ]),
    );
    expect(files.get('missing.txt')).toMatch(/^drift\.json: /m);
    expect(files.get('missing.txt')).toMatch(/^logs\/controller\.log\.1: /m);
    expect(files.get('missing.txt')?.trim().split('\n')).toEqual(told.missing);
    expect(files.get('logs/host.log')).toContain('an ordinary line');
    expect(JSON.parse(files.get('status.json') ?? '')).toMatchObject({ status: 'not running' });
    expect(files.get('config.json')).toContain('"name": "bundletest"');

    const secrets = [...plantedSecrets.map(({ secret }) => secret), ADMIN_TOKEN, MASTER_KEY];
    for (const [name, text] of files)
      for (const secret of secrets) expect(text.includes(secret), `${secret} in ${name}`).toBe(false);
    expect(files.get('logs/host.log')).toContain('[redacted:a-secret-of-this-machine]');
    expect((await readdir(tmpdir())).filter((name) => name.startsWith('hearth-support-'))).toEqual([]);
  }, 30_000);

  test.each([
    ['a file that is there', 'hearth.json', 'exists'],
    ['a folder that is not', 'nowhere/bundle.tar.gz', 'no such file or directory'],
  ])('%s is refused, and nothing is overwritten', async (_what, name, message) => {
    const before = await readFile(config, 'utf8');
    const { code, err } = await say('--out', join(folder, name));
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(await readFile(config, 'utf8')).toBe(before);
  });
});
