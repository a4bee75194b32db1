import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HearthError, toProblem } from '@hearth/contract';
import { expect, test } from 'vitest';
import { logSize, parseLogLine, readLogSince } from './daemon-log.ts';
import { identifyProcess, livingProcess, signalProcess, writePidFile } from './process-identity.ts';

test("a daemon's fatal line gives the error that it is", () => {
  const problem = toProblem(new HearthError('network_conflict', '192.168.100.0/24 is taken'));
  expect(parseLogLine(JSON.stringify({ level: 'fatal', msg: 'x', problem })).problem).toMatchObject({
    code: 'network_conflict',
  });
  expect(parseLogLine('{"level":40,"msg":"careful"}')).toMatchObject({ level: 'warn', message: 'careful' });
  expect(parseLogLine('Segmentation fault')).toMatchObject({ level: 'error', message: 'Segmentation fault' });
  expect(parseLogLine('{"level":"info","msg":"m","problem":{}}')).toMatchObject({
    level: 'info',
    problem: undefined,
  });
});

test('a log is read from where it was, in whole lines', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-log-'));
  try {
    const path = join(folder, 'log');
    expect(await logSize(path)).toBe(0);
    await writeFile(path, 'old\n');
    const start = await logSize(path);
    await appendFile(path, 'one\ntw');
    const first = await readLogSince(path, start);
    expect(first.lines).toEqual(['one']);
    await appendFile(path, 'o\n');
    expect((await readLogSince(path, first.offset)).lines).toEqual(['two']);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('F19: a pid file names a living process only with its start time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-pid-'));
  try {
    const path = join(folder, 'x.pid');
    const self = await identifyProcess(process.pid);
    expect(self).not.toBeNull();
    await writePidFile(path, self!);
    expect(await livingProcess(path)).toEqual(self);
    await writePidFile(path, { pid: process.pid, startTicks: 1 });
    expect(await livingProcess(path)).toBeNull();
    expect(await signalProcess({ pid: process.pid, startTicks: 1 }, 'SIGKILL')).toBe(false);
    await writeFile(path, '{"pid":');
    expect(await livingProcess(path)).toBeNull();
    expect(await livingProcess(join(folder, 'none'))).toBeNull();
  } finally {
    await rm(folder, { recursive: true });
  }
});
