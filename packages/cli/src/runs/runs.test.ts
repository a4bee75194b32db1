import { playEcho, type FakeRun } from '@hearth/testing';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
// The real controller, on a host whose runs the test plays.
import { startRunRig, type RunRig } from '../../../controller/src/http/test-runs.ts';
import { until } from '../../../controller/src/test-controller.ts';
import { main } from '../program.ts';

let rig: RunRig;
let ana: string;
let folder: string;
beforeEach(async () => {
  rig = await startRunRig();
  ana = await rig.person('ana');
  folder = await mkdtemp(join(tmpdir(), 'hearth-cli-runs-'));
  await writeFile(join(folder, 'token'), ana, { mode: 0o600 });
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rig[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

interface Said {
  code: number;
  out: string;
  err: string;
}
async function say(...words: string[]): Promise<Said> {
  const said = { out: '', err: '' };
  const collect = (to: 'out' | 'err') => (text: string | Uint8Array) => {
    said[to] += typeof text === 'string' ? text : Buffer.from(text).toString();
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(collect('out'));
  vi.spyOn(process.stderr, 'write').mockImplementation(collect('err'));
  const code = await main([...words, '--url', rig.api.url, '--token-file', join(folder, 'token')]);
  vi.restoreAllMocks();
  return { code, out: stripVTControlCharacters(said.out), err: stripVTControlCharacters(said.err) };
}
const newest = (): FakeRun => rig.host.runs.begun.at(-1) as FakeRun;

test('a run’s text comes to standard output alone, and it exits as its tool does', async () => {
  await writeFile(join(folder, 'notes.txt'), 'note');
  const options = ['--file', join(folder, 'notes.txt'), '--cwd', '/home/hearth/p', '--timeout', '60'];
  expect(await say('run', 'claude_code', 'hello', ...options)).toMatchObject({
    code: 0,
    out: 'you said: hello\n',
  });
  expect(newest().order).toMatchObject({
    cwd: '/home/hearth/p',
    timeoutMs: 60_000,
    files: [{ path: 'notes.txt', contentBase64: Buffer.from('note').toString('base64') }],
  });
  rig.host.runs.script.play = (run) => {
    run.say({ type: 'assistant', error: 'authentication_failed', message: { content: [] } });
    run.exit(7);
  };
  const refused = await say('run', 'claude_code', 'again');
  expect(refused).toMatchObject({ code: 7, out: '' });
  expect(refused.err).toContain('The tool is not signed in');
});

test('F45: Ctrl-C cancels the run in its VM', async () => {
  rig.host.runs.script.play = () => undefined;
  const listeners = process.listenerCount('SIGINT');
  const running = say('run', 'claude_code', 'forever');
  await until('the run', () => rig.host.runs.begun.length === 1);
  await until('its followers', async () => (await rig.show(ana, newest().id)).state === 'running');
  process.emit('SIGINT');
  expect((await running).code).toBe(130);
  expect(newest().over).toBe(true);
  expect(process.listenerCount('SIGINT')).toBe(listeners);
});

test('lists, shows with the diff, tells the events anew and cancels', async () => {
  rig.host.runs.script.play = (run) => {
    const delta = { type: 'text_delta', text: 'done' };
    run.say({ type: 'stream_event', event: { type: 'content_block_delta', delta } });
    run.exit(0, [{ path: 'a.txt', change: 'changed', before: 'old\n', after: 'new\n' }]);
  };
  await say('run', 'claude_code', 'change a.txt');
  const { id } = newest();
  expect((await say('runs', 'ls')).out).toMatch(new RegExp(`${id} +claude_code +succeeded .*change a.txt`));
  const shown = (await say('runs', 'show', id)).out;
  expect(shown).toContain('-old\n+new');
  expect(await say('runs', 'events', id)).toMatchObject({ code: 0, out: 'done\n' });
  const events = (await say('runs', 'events', id, '--json', '--after', '0')).out.trim().split('\n');
  expect(events.map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual([1, 2]);
  const late = await say('runs', 'cancel', id);
  expect(late.code).toBe(1);
  expect(late.err).toContain('The run is over');
});

test('a controller that is started anew is waited for, and nothing is lost or told twice', async () => {
  rig.host.runs.script.play = () => undefined;
  const running = say('run', 'claude_code', 'long');
  await until('the run', () => rig.host.runs.begun.length === 1);
  const text = (part: string) => ({
    type: 'stream_event',
    event: { type: 'content_block_delta', delta: { type: 'text_delta', text: part } },
  });
  newest().say(text('one '));
  await until('the first', async () => (await rig.show(ana, newest().id)).events === 2);
  await rig.restart();
  newest().say(text('two'));
  newest().exit(0);
  expect(await running).toMatchObject({ code: 0, out: 'one two\n' });
});

test('a tool that isn’t connected is said with the way to do it, and nothing is made', async () => {
  await writeFile(join(folder, 'token'), await rig.api.token('bob'));
  vi.stubEnv('ANTHROPIC_API_KEY', 'sk-ant-fake-NOT-A-TOKEN');
  const missing = await say('run', 'claude_code', 'hello');
  expect(missing.code).toBe(1);
  expect(missing.err).toContain('hearth credentials set-key claude_code');
  expect(missing.err).not.toContain('sk-ant-fake');
  expect((await say('run', 'claude_code', ' ')).err).toContain('the prompt is empty');
  expect((await say('run', 'claude_code', 'x', '--file', '/nowhere')).err).toContain('--file /nowhere');
  expect(rig.host.machines.list()).toEqual([]);
  rig.host.runs.script.play = playEcho;
});
