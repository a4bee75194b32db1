import { appendFile, chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { say as sayLine } from '../test-answers.ts';
import { consoleSource, daemonSource } from './log-sources.ts';
import type { LogEntry } from './log-entry.ts';
import { MAX_LINE_CHARACTERS, readLines } from './read-lines.ts';

const VM = 'vm-000000000001';
const OTHER_VM = 'vm-000000000002';
const REQUEST = 'req-wanted-1';
const BASE_MS = Date.parse('2026-01-31T12:00:00.000Z');
const at = (second: number): string => new Date(BASE_MS + second * 1000).toISOString();

let folder: string;
let config: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-logs-'));
  config = join(folder, 'hearth.json');
  await writeFile(config, JSON.stringify({ stateDir: join(folder, 'state'), runDir: join(folder, 'run') }));
  await mkdir(join(folder, 'state', 'logs'), { recursive: true });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const controllerLine = (second: number, fields: object): string =>
  `${JSON.stringify({ level: 30, time: at(second), part: 'controller', hearth: 'hearth', ...fields })}\n`;
const hostLine = (second: number, fields: object): string =>
  `${JSON.stringify({ level: 'info', time: at(second), part: 'host', ...fields })}\n`;
const logFile = (name: string): string => join(folder, 'state', 'logs', name);

/** A console in pieces, each with the second at which the host saw it. */
async function writeConsole(vm: string, pieces: [second: number, text: string][]): Promise<void> {
  const place = join(folder, 'state', 'consoles', vm);
  await mkdir(place, { recursive: true });
  let offset = 0;
  for (const [second, text] of pieces) {
    const bytes = Buffer.byteLength(text);
    await appendFile(join(place, 'console.log'), text);
    await appendFile(join(place, 'console.index'), `${offset} ${BASE_MS + second * 1000} ${bytes}\n`);
    offset += bytes;
  }
}
const guestLine = (fields: object): string =>
  `[   12.345678] hearth-agent[77]: ${JSON.stringify({ time: '1999-01-01T00:00:00.000Z', level: 'info', part: 'guest', ...fields })}\r\n`;

const say = (...words: string[]) => sayLine('logs', '--config', config, ...words);
const messagesOf = (out: string): string[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(/ {2,}/).slice(1, 4).join('|'));

async function writeExample(): Promise<void> {
  await writeFile(
    logFile('controller.log.1'),
    controllerLine(0, { msg: 'before the cut', requestId: 'req-other-1' }),
  );
  await writeFile(
    logFile('controller.log'),
    controllerLine(1, { msg: 'asked', requestId: REQUEST, vmId: VM }) +
      controllerLine(6, {
        level: 40,
        msg: 'answered late',
        requestId: REQUEST,
        err: { type: 'E', message: 'too "slow"', stack: 'x' },
      }),
  );
  await writeFile(
    logFile('host.log'),
    hostLine(2, { msg: 'made', requestId: REQUEST, vmId: VM, durationMs: 12 }) +
      hostLine(3, { msg: 'something else', vmId: OTHER_VM }) +
      'FATAL: not JSON at all\n' +
      hostLine(5, { msg: 'told', requestId: REQUEST, vmId: VM }),
  );
  await writeConsole(VM, [
    [2, 'Linux version 6.1\r\n'],
    [4, guestLine({ message: 'configured', requestId: REQUEST })],
  ]);
  await writeConsole(OTHER_VM, [
    [4, guestLine({ message: 'nobody asked', requestId: 'req-other-2', level: 'error' })],
  ]);
}

describe('hearth logs', () => {
  test('--request: the lines of controller, host and guest in the order of the host’s clock', async () => {
    await writeExample();
    const { code, out } = await say('--request', REQUEST);
    expect(code).toBe(0);
    expect(messagesOf(out)).toEqual([
      'controller|info|asked',
      'host|info|made',
      'guest|info|configured',
      'host|info|told',
      'controller|warn|answered late',
    ]);
    expect(out).toContain(`${at(4)}  guest       info   configured  requestId=${REQUEST} vmId=${VM}`);
    expect(out).toContain('err="too \\"slow\\""');
    expect(out).toContain('durationMs=12');
  });

  test.each<[string, string[], string[]]>([
    ['a VM', ['--vm', OTHER_VM], ['something else', 'nobody asked']],
    ['a part', ['--part', 'guest'], ['configured', 'nobody asked']],
    ['a time', ['--since', at(5)], ['told', 'answered late']],
    ['a level', ['--level', 'warn'], ['FATAL: not JSON at all', 'nobody asked', 'answered late']],
    ['the last ones', ['-n', '2'], ['told', 'answered late']],
    [
      'what was cut off too',
      ['-n', '99', '--part', 'controller'],
      ['before the cut', 'asked', 'answered late'],
    ],
    ['two conditions', ['--vm', VM, '--part', 'host'], ['made', 'told']],
  ])('narrows to %s', async (_what, words, messages) => {
    await writeExample();
    const { out } = await say(...words);
    expect(messagesOf(out).map((line) => line.split('|')[2])).toEqual(messages);
  });

  test('--json gives the lines as they are, a guest’s with its VM and the host’s time', async () => {
    await writeExample();
    const { out } = await say('--request', REQUEST, '--json');
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[1]).toEqual(
      JSON.parse(hostLine(2, { msg: 'made', requestId: REQUEST, vmId: VM, durationMs: 12 })),
    );
    expect(lines[2]).toMatchObject({ part: 'guest', vmId: VM, hostTime: at(4), message: 'configured' });
  });

  test('a hostile guest steers no terminal, and speaks for nobody else', async () => {
    await writeFile(logFile('host.log'), '');
    const evil = `\u001b]0;owned\u0007\u001b[2J\u009b31m\rrm -rf`;
    const raw = `{"time":"2030-01-01T00:00:00.000Z","level":"info","part":"host","vmId":"${OTHER_VM}","message":${JSON.stringify(evil)},"key\u009b2J":"\u009b2J"}\n`;
    await writeConsole(VM, [
      [1, raw],
      [2, `\u001b[31mno JSON\u001b[0m {"time":broken\n`],
    ]);
    for (const words of [[], ['--json']]) {
      const { out } = await say(...words);
      expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      expect(out.trim().split('\n')).toHaveLength(1);
    }
    expect((await say('--part', 'host')).out).toBe('');
    expect((await say('--vm', OTHER_VM)).out).toBe('');
    expect(messagesOf((await say('--vm', VM)).out)[0]).toMatch(/^guest\|info/);
  });

  test('F13: a console that was cut is read with its earlier part, before what came later', async () => {
    await writeConsole(VM, [[10, guestLine({ message: 'later' })]]);
    await writeFile(
      join(folder, 'state', 'consoles', VM, 'console.earlier.log'),
      guestLine({ message: 'earlier', time: '2031-01-01T00:00:00.000Z' }),
    );
    expect(messagesOf((await say()).out)).toEqual(['guest|info|earlier', 'guest|info|later']);
  });

  test.each([
    [['--part', 'kernel'], 2, 'Allowed choices are controller, host, guest'],
    [['--level', 'loud'], 2, 'Allowed choices are trace'],
    [['--since', 'yesterday'], 2, '30s, 10m, 2h or 1d'],
    [['-n', '0'], 2, 'whole number above 0'],
    [['--vm', '../../etc'], 1, 'is not the id of a VM'],
    [['--request', 'no spaces please'], 1, 'is not the id of a request'],
    [['something'], 2, 'too many arguments'],
  ])('wrong words %j', async (words, exitCode, message) => {
    const { code, err } = await say(...words);
    expect(code).toBe(exitCode);
    expect(err).toContain(message);
    expect(err).not.toContain('    at ');
  });

  test('says where it looked, where nothing ever ran', async () => {
    await rm(join(folder, 'state'), { recursive: true });
    const { code, err } = await say();
    expect(code).toBe(1);
    expect(err).toContain(`there are no logs in ${join(folder, 'state')}`);
  });

  // Root may read everything.
  test.skipIf(process.getuid?.() === 0)('says who may read, where this user may not', async () => {
    await chmod(join(folder, 'state'), 0o000);
    const { err } = await say();
    await chmod(join(folder, 'state'), 0o700);
    expect(err).toContain('Run this as root');
  });
});

const drain = async (entries: AsyncGenerator<LogEntry>): Promise<string[]> => {
  const messages: string[] = [];
  for await (const { message } of entries) messages.push(message);
  return messages;
};

describe('following', () => {
  test('gives what came since, whole lines only, and begins anew where the log was cut', async () => {
    const path = logFile('host.log');
    await writeFile(path, `${hostLine(1, { msg: 'one' })}{"half`);
    const source = daemonSource(path, 'host');
    expect(await drain(source.read())).toEqual(['one']);
    expect(await drain(source.read())).toEqual([]);
    await appendFile(path, `":1,"msg":"two"}\n`);
    expect(await drain(source.read())).toEqual(['two']);
    await writeFile(path, hostLine(2, { msg: '3' }));
    expect(await drain(source.read())).toEqual(['3']);
  });

  test('leaves a guest’s line that the host has not dated yet for the next time', async () => {
    await writeConsole(VM, [[1, guestLine({ message: 'one' })]]);
    const place = join(folder, 'state', 'consoles', VM);
    const next = guestLine({ message: 'two' });
    await appendFile(join(place, 'console.log'), next);
    const source = consoleSource(place, VM);
    expect(await drain(source.read())).toEqual(['one']);
    const offset = Buffer.byteLength(guestLine({ message: 'one' }));
    await appendFile(join(place, 'console.index'), `${offset} ${BASE_MS} ${Buffer.byteLength(next)}\n`);
    expect(await drain(source.read())).toEqual(['two']);
  });
});

test('a line without an end is cut, and what follows it is read', async () => {
  const path = logFile('long.log');
  await writeFile(path, `a\n${'x'.repeat(3_000_000)}\nb\nc`);
  const lines: { offset: number; length: number }[] = [];
  for await (const { offset, text } of readLines(path)) lines.push({ offset, length: text.length });
  expect(lines).toEqual([
    { offset: 0, length: 1 },
    { offset: 2, length: MAX_LINE_CHARACTERS },
    { offset: 3_000_003, length: 1 },
  ]);
});
