import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openBuildLog } from './build-log.ts';

test('a log keeps its lines', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-log-'));
  try {
    const log = openBuildLog(join(folder, 'log'), (error) => expect.unreachable(error.message));
    log.write('one');
    log.write('two');
    await log.close();
    expect(await readFile(join(folder, 'log'), 'utf8')).toBe('one\ntwo\n');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a full disk under the log is told once and ends nothing', async () => {
  const faults: string[] = [];
  const log = openBuildLog('/dev/full', ({ message }) => faults.push(message));
  log.write('lost');
  await expect.poll(() => faults).toEqual([expect.stringContaining('ENOSPC')]);
  log.write('lost too');
  await log.close();
  expect(faults).toHaveLength(1);
});
