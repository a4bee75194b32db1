import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgress } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inspectQemu } from './inspect.ts';
import { QmpClient } from './qmp.ts';

let folder: string;
const closers: (() => void)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-qmp-'));
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await rm(folder, { recursive: true });
});

/** Answers each command by `answer`, bytes as they are given. */
function monitor(answer: (message: { execute: string; id: number }, socket: Socket) => void): string {
  const path = join(folder, 'qmp');
  const server = createServer((socket) => {
    closers.push(() => socket.destroy());
    socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
    let rest = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const message = JSON.parse(line) as { execute: string; id: number };
        if (message.execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${message.id}}\r\n`);
        else answer(message, socket);
      }
    });
  }).listen(path);
  closers.push(() => server.close());
  return path;
}

const alive = (): Promise<boolean> => Promise.resolve(true);
const progress = () => startProgress({ what: 'test', timeoutMs: 2000 });

test('answers are matched by id, in whatever order and chunks they come, with events between', async () => {
  const held: string[] = [];
  const path = monitor((message, socket) => {
    held.push(`{"return": "${message.execute}", "id": ${message.id}}\r\n`);
    if (held.length < 2) return;
    const bytes = `{"event": "STOP", "data": {}}\r\n${held.reverse().join('')}`;
    socket.write(bytes.slice(0, 20));
    setTimeout(() => socket.write(bytes.slice(20)), 5);
  });
  const client = await QmpClient.connect(path, alive, progress());
  const answers = await Promise.all([
    client.execute('first', {}, progress()),
    client.execute('second', {}, progress()),
  ]);
  expect(answers).toEqual(['first', 'second']);
  client.close();
});

test("a refusal carries QEMU's words", async () => {
  const path = monitor((message, socket) =>
    socket.write(`{"error": {"class": "GenericError", "desc": "no such thing"}, "id": ${message.id}}\r\n`),
  );
  const client = await QmpClient.connect(path, alive, progress());
  await expect(client.execute('stop', {}, progress())).rejects.toThrow(/QEMU refused stop: no such thing/);
  client.close();
});

test('a command under way fails when QEMU goes away, and so do later ones', async () => {
  const path = monitor((_message, socket) => socket.destroy());
  const client = await QmpClient.connect(path, alive, progress());
  await expect(client.execute('cont', {}, progress())).rejects.toThrow(/closed during cont/);
  await client.closed;
  await expect(client.execute('cont', {}, progress())).rejects.toThrow(/monitor is closed/);
});

test('a QEMU that died before its monitor answered is said at once', async () => {
  const connecting = QmpClient.connect(join(folder, 'nobody'), () => Promise.resolve(false), progress());
  await expect(connecting).rejects.toThrow(/ended before its monitor answered/);
});

test('the deadline ends a command that is never answered', async () => {
  const path = monitor(() => undefined);
  const client = await QmpClient.connect(path, alive, progress());
  await expect(client.execute('stop', {}, startProgress({ what: 'stop', timeoutMs: 30 }))).rejects.toThrow(
    /stop did not end within/,
  );
  client.close();
});

test('F47: inspect tells whether the processors run and whether the guest holds the control channel', async () => {
  const path = monitor(({ execute, id }, socket) => {
    const answers: Record<string, unknown> = {
      'query-status': { status: 'io-error', running: false, singlestep: false },
      'query-chardev': [
        { label: 'console', filename: 'file', 'frontend-open': true },
        { label: 'control', filename: 'disconnected:unix', 'frontend-open': false },
      ],
    };
    socket.write(`${JSON.stringify({ return: answers[execute], id })}\r\n`);
  });
  const client = await QmpClient.connect(path, alive, progress());
  expect(await inspectQemu(client, progress())).toEqual({
    status: 'io-error',
    running: false,
    guestHasControl: false,
  });
  client.close();
});

test('F47: a monitor that is silent ends an inspection by its deadline, as vmm_failed', async () => {
  const path = monitor(() => undefined);
  const client = await QmpClient.connect(path, alive, progress());
  const short = startProgress({ what: 'test', timeoutMs: 30 });
  await expect(inspectQemu(client, short)).rejects.toMatchObject({ code: 'vmm_failed' });
  client.close();
});
