import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { captureConsole, MAX_CONSOLE_BYTES, readConsole, type ConsoleFiles } from './console-capture.ts';

let folder: string;
let files: ConsoleFiles;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-console-'));
  files = {
    logPath: join(folder, 'log'),
    indexPath: join(folder, 'index'),
    earlierPath: join(folder, 'earlier'),
  };
});
afterEach(() => rm(folder, { recursive: true }));

const quiet = (): void => undefined;
async function read(timestamps = false): Promise<string> {
  let text = '';
  const options = { timestamps, follow: false, isOver: () => true, signal: new AbortController().signal };
  for await (const piece of readConsole(files, options)) text += piece;
  return text;
}

test('F13: what the VMM wrote before the capture began is not lost', async () => {
  await appendFile(files.logPath, 'first byte\n');
  const lines: string[] = [];
  const capture = await captureConsole(files, (line) => lines.push(line), quiet);
  await appendFile(files.logPath, 'second line\nthird ');
  await appendFile(files.logPath, 'line\n');
  await capture.stop();
  expect(lines).toEqual(['first byte', 'second line', 'third line']);
  expect(await read()).toBe('first byte\nsecond line\nthird line\n');
});

test('each line of a stamped console begins with a time', async () => {
  const capture = await captureConsole(files, quiet, quiet);
  await appendFile(files.logPath, 'one\ntwo\n');
  await capture.stop();
  expect(await read(true)).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z one\n\d{4}-\d\d-\d\dT[\d:.]+Z two\n$/);
});

test('a second capture goes on where the first stopped', async () => {
  const first = await captureConsole(files, quiet, quiet);
  await appendFile(files.logPath, 'before\n');
  await first.stop();
  await appendFile(files.logPath, 'while nobody looked\n');
  const lines: string[] = [];
  const second = await captureConsole(files, (line) => lines.push(line), quiet);
  await second.stop();
  expect(lines).toEqual(['while nobody looked']);
  expect(await read()).toBe('before\nwhile nobody looked\n');
});

test('following ends when the VM is over, with the last words read', async () => {
  const capture = await captureConsole(files, quiet, quiet);
  let over = false;
  let text = '';
  const reading = (async () => {
    const options = {
      timestamps: false,
      follow: true,
      isOver: () => over,
      signal: new AbortController().signal,
    };
    for await (const piece of readConsole(files, options)) text += piece;
  })();
  await appendFile(files.logPath, 'alive\n');
  await vi.waitFor(() => expect(text).toBe('alive\n'), 3000);
  await appendFile(files.logPath, 'last words\n');
  await capture.stop();
  over = true;
  await reading;
  expect(text).toBe('alive\nlast words\n');
});

test('a guest that floods its console cannot fill the disk, and its beginning is kept', async () => {
  const capture = await captureConsole(files, quiet, quiet);
  await appendFile(files.logPath, `begin\n${'x'.repeat(MAX_CONSOLE_BYTES)}\n`);
  await vi.waitFor(async () => expect((await read()).includes('was cut here')).toBe(true), 5000);
  await appendFile(files.logPath, 'after\n');
  await capture.stop();
  const text = await read();
  expect(text.startsWith('begin\n')).toBe(true);
  expect(text.endsWith('after\n')).toBe(true);
});
