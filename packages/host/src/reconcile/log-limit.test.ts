import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogLimit } from './log-limit.ts';

let stateDir: string;
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'hearth-logs-'));
});
afterEach(() => rm(stateDir, { recursive: true }));

const open = () => {
  const lines: string[] = [];
  const config = parseConfig({ stateDir, log: { maxMiB: 1 } }, {});
  return { limit: createLogLimit(config, (line) => lines.push(line)), lines };
};

test('a log beyond its limit is cut, one earlier part is kept, and who appends goes on', async () => {
  const { limit, lines } = open();
  await mkdir(join(stateDir, 'logs'));
  const path = join(stateDir, 'logs', 'host.log');
  const other = join(stateDir, 'logs', 'notes.txt');
  const full = Buffer.alloc(1024 * 1024, 'x');
  for (const file of [path, other]) await writeFile(file, full);
  await limit.pass();
  expect(lines).toEqual([]);
  for (const file of [path, other]) await appendFile(file, 'y');
  await limit.pass();
  expect((await stat(path)).size).toBe(0);
  expect((await stat(`${path}.1`)).size).toBe(full.length + 1);
  expect((await stat(other)).size).toBe(full.length + 1);
  expect(lines).toEqual(['a log was cut']);
  await appendFile(path, 'z');
  await limit.pass();
  expect(await readFile(path, 'utf8')).toBe('z');
});

test('no folder of logs is no fault', async () => {
  const { limit, lines } = open();
  await limit.pass();
  expect(lines).toEqual([]);
});
