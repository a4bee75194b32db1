import { startFakeHost, type FakeHost, type FakeTerminal } from '@hearth/testing';
import { spawn } from '@lydell/node-pty';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startTestController, type TestController } from '../../../controller/src/test-controller.ts';

const MAIN = resolve(import.meta.dirname, '../main.ts');
const WAIT = { timeout: 15_000, interval: 20 };
let folder: string;
let host: FakeHost;
let api: TestController;
let shells: { end: () => void }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-shell-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath);
  await writeFile(join(folder, 'token'), await api.token('ana'));
  shells = [];
});
afterEach(async () => {
  for (const { end } of shells) end();
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

/** The command in a terminal of its own. */
function shell(words: string[], { cols, rows }: { cols: number; rows: number } = { cols: 90, rows: 20 }) {
  const own = ['--url', api.url, '--token-file', join(folder, 'token')];
  const pty = spawn(process.execPath, [MAIN, 'shell', ...own, ...words], { cols, rows, env: process.env });
  let text = '';
  let exitCode: number | null = null;
  pty.onData((part) => (text += part));
  pty.onExit((exit) => (exitCode = exit.exitCode));
  const one = {
    type: (typed: string) => pty.write(typed),
    resize: (size: { cols: number; rows: number }) => pty.resize(size.cols, size.rows),
    text: () => text,
    seen: async (part: string) => vi.waitFor(() => expect(text).toContain(part), WAIT),
    exited: async () =>
      vi.waitFor(() => {
        expect(exitCode, text).not.toBeNull();
        return exitCode;
      }, WAIT),
    end: () => {
      if (exitCode === null) pty.kill('SIGKILL');
    },
  };
  shells.push(one);
  return one;
}
const terminals = (): FakeTerminal[] => [...host.terminals.known.values()];

it('opens a terminal of this one’s size, passes keys (Ctrl-C, too) and sizes, and exits with its exit code', async () => {
  const one = shell([]);
  await one.seen('$ ');
  const [terminal] = terminals();
  expect(terminal?.terminal).toMatchObject({ cols: 90, rows: 20, provider: null });
  expect(one.text()).toContain('Ctrl-] leaves it running');
  one.type('ls\x03');
  await vi.waitFor(() => expect(terminal?.typed).toBe('ls\x03'), WAIT);
  one.resize({ cols: 100, rows: 30 });
  await vi.waitFor(
    () => expect(terminal?.inputs.at(-1)).toEqual({ type: 'resize', cols: 100, rows: 30 }),
    WAIT,
  );
  terminal?.exit(7);
  expect(await one.exited()).toBe(7);
}, 40_000);

it('leaves it running with Ctrl-], and comes back to it', async () => {
  const one = shell([]);
  await one.seen('$ ');
  one.type('before\x1dnever');
  expect(await one.exited()).toBe(0);
  const [terminal] = terminals();
  expect(terminal?.typed).toBe('before');
  const again = /hearth shell (--terminal trm-\w+)` comes back/.exec(one.text())?.[1]?.split(' ') ?? [];
  const two = shell(again);
  await two.seen('$ ');
  expect(terminals()).toHaveLength(1);
  terminal?.exit(0);
  expect(await two.exited()).toBe(0);
}, 40_000);

it('says what can be done where the way is lost', async () => {
  const one = shell([]);
  await one.seen('$ ');
  for (const viewer of terminals()[0]?.viewers ?? []) viewer.destroy();
  expect(await one.exited()).toBe(1);
  expect(one.text()).toContain('comes back to it');
}, 40_000);

it('names wrong words', async () => {
  const wrong = [
    shell(['--terminal', 'x']),
    shell(['--terminal', 'trm-000000000000']),
    shell(['--vm', 'x']),
    shell(['--provider', 'nobody']),
    shell(['--provider', 'codex']),
    shell(['--provider', 'codex', '--terminal', 'trm-000000000000']),
    shell(['--list']),
  ];
  const codes = [];
  for (const one of wrong) codes.push(await one.exited());
  expect(codes).toEqual([1, 1, 1, 2, 1, 2, 0]);
  expect(wrong[0]?.text()).toContain('is not the id of a terminal');
  expect(wrong[1]?.text()).toContain('there is no terminal trm-000000000000 in your CLI VM');
  expect(wrong[4]?.text()).toContain('not connected');
  expect(wrong[6]?.text()).toContain('no terminals');
}, 60_000);
