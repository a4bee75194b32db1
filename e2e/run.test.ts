import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { vmListSchema, type Vm } from '@hearth/contract';
import { makeLab, type HearthLab } from '@hearth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** An obvious fake; looked for below in every place where a key must never be. */
const KEY = 'sk-ant-fake-0123456789-NOT-A-KEY';
const BASE_URL = 'http://127.0.0.1:8787';
const runFile = promisify(execFile);

let lab: HearthLab;
let folder: string;
beforeAll(async () => {
  lab = await makeLab();
  folder = await mkdtemp(join(tmpdir(), 'hearth-run-'));
  await lab.up();
});
afterAll(async () => {
  await lab.dispose();
  await rm(folder, { recursive: true, force: true });
});

const ownVms = async (): Promise<Vm[]> => vmListSchema.parse(await lab.json(['vm', 'ls'])).vms;

test('without a key nothing is made, and it says how to give one', async () => {
  const result = await lab.cli(['run', 'claude_code', 'hello'], { env: { ANTHROPIC_API_KEY: KEY } });
  expect(result.exitCode).not.toBe(0);
  expect(result.stderr).toMatch(/ANTHROPIC_API_KEY.*hearth credentials set-key claude_code/);
  expect(result.stderr).not.toContain(KEY);
  expect(await ownVms()).toEqual([]);
});

test('the real Claude Code CLI answers from inside a CLI VM, as it comes, with its own exit code', async () => {
  const stand = await lab.cli(['stand-in', '--reply', 'hello from the stand-in']);
  expect(stand.stderr + String(stand.exitCode)).toMatch(/0$/);
  const keyFile = join(folder, 'key');
  await writeFile(keyFile, `${KEY}\n`, { mode: 0o600 });
  const stored = await lab.cli(['credentials', 'set-key', 'claude_code', '--api-key-file', keyFile]);
  expect(stored.stderr + String(stored.exitCode)).toMatch(/0$/);
  const result = await lab.cli(['run', 'claude_code', 'hello', '--base-url', BASE_URL]);
  expect(result.stderr).not.toContain(KEY);
  expect(result).toMatchObject({ exitCode: 0 });
  expect(result.stdout).toContain('hello from the stand-in');

  // The same VM serves the next run, and a prompt that looks like an option is still a prompt.
  const second = await lab.cli(['run', 'claude_code', '--base-url', BASE_URL, '--', '--help']);
  expect(second.stdout).toContain('hello from the stand-in');
  expect(await ownVms()).toHaveLength(1);

  // The key is in no log, no disk of the VM, no journal.
  const { stdout } = await runFile('sh', [
    '-c',
    `grep -rlaF '${KEY}' '${lab.config.stateDir}' '${lab.config.runDir}' || true`,
  ]);
  expect(stdout, 'files that hold the key').toBe('');
});

test('the process in the guest is an ordinary user, and the key is in no argv there', async () => {
  const slow = await lab.cli(['stand-in', '--reply', 'slow answer', '--delay-ms', '20000']);
  expect(slow.stderr + String(slow.exitCode)).toMatch(/0$/);
  const [vm] = await ownVms();
  if (vm === undefined) throw new Error('the CLI VM of the test before is gone');
  const running = lab.start(['run', 'claude_code', 'wait', '--base-url', BASE_URL]);
  const asked = async (): Promise<string> =>
    (
      await lab.cli([
        'vm',
        'exec',
        vm.id,
        '--user',
        'root',
        '--',
        'sh',
        '-c',
        'ps -eo user,args | grep "[c]laude.* -p"',
      ])
    ).stdout;
  await expect.poll(asked, { timeout: 60_000 }).toMatch(/^hearth/m);
  const everything = await lab.cli(['vm', 'exec', vm.id, '--user', 'root', '--', 'ps', '-eo', 'args']);
  expect(everything.stdout).not.toContain(KEY);
  // F45: Ctrl-C here ends the tool there.
  running.kill('SIGINT');
  if (running.exitCode === null) await once(running, 'exit');
  await expect.poll(asked, { timeout: 30_000 }).toBe('');
});

test('a key that the server refuses is said in words', async () => {
  const strict = await lab.cli(['stand-in', '--expect-key', 'sk-another']);
  expect(strict.stderr + String(strict.exitCode)).toMatch(/0$/);
  const result = await lab.cli(['run', 'claude_code', 'hello', '--base-url', BASE_URL]);
  expect(result.exitCode).not.toBe(0);
  expect(result.stderr).toMatch(/The tool is not signed in/);
  expect(result.stderr).toMatch(/API key/);
});

test('an unknown provider is refused with the known ones', async () => {
  const result = await lab.cli(['run', 'claude', 'hello']);
  expect(result.exitCode).not.toBe(0);
  expect(result.stderr).toContain('claude_code');
  expect(await readFile(lab.configPath, 'utf8')).not.toContain(KEY);
});
