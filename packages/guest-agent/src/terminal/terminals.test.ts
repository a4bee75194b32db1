import {
  createTerminalFrameReader,
  encodeTerminalBytes,
  encodeTerminalJson,
  problemSchema,
  terminalListSchema,
  terminalNoticeSchema,
  terminalSchema,
  type CreateTerminal,
  type HeldCredential,
  type Terminal,
  type TerminalNotice,
} from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LoginUser } from '../exec/login-user.ts';
import { createHttpServer } from '../http/server.ts';
import { loadNativeModules } from '../pty/native-modules.ts';
import { terminalRoutes, type TerminalRoutesDeps } from './terminal-routes.ts';

const modules = loadNativeModules(resolve(import.meta.dirname, '../../../../node_modules'));
const WAIT = { timeout: 10_000, interval: 20 };
let home: string;
let server: Server;
let routes: ReturnType<typeof terminalRoutes>;
let port: number;
let ends: Set<() => void>;
let held: HeldCredential[];
const sockets = new Set<Socket>();

const listen = async (options: Partial<TerminalRoutesDeps> = {}): Promise<void> => {
  const { uid, gid } = userInfo();
  const user: LoginUser = {
    ...{ name: 'hearth', uid, gid, home, shell: '/bin/bash', path: '/usr/local/bin:/usr/bin:/bin' },
  };
  routes = terminalRoutes({
    user,
    modules: () => modules,
    credentials: {
      environment: (provider) => ({ FAKE_KEY: `fake-${provider ?? 'all'}-NOT-A-TOKEN` }),
      using: (_provider, end) => {
        ends.add(end);
        return () => ends.delete(end);
      },
      held: () => held,
    },
    randomBytes,
    log: () => undefined,
    ...options,
  });
  server = createHttpServer({ routes: routes.routes, authorize: () => undefined, log: () => undefined });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ({ port } = server.address() as AddressInfo);
};
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hearth-terminals-'));
  await writeFile(join(home, '.bash_profile'), "PS1='$ '\n");
  ends = new Set();
  held = [];
});
afterEach(async () => {
  routes.stop();
  await vi.waitFor(() => expect(ends.size).toBe(0), WAIT);
  server.closeAllConnections();
  server.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  // A shell that ends may still write its history.
  await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
});

const call = (method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
const open = async (body: Partial<CreateTerminal> = {}): Promise<Terminal> => {
  const answer = await call('POST', '/terminals', body);
  expect(answer.status, await answer.clone().text()).toBe(201);
  return terminalSchema.parse(await answer.json());
};
const list = async (): Promise<Terminal[]> =>
  terminalListSchema.parse(await (await call('GET', '/terminals')).json()).terminals;

interface Viewer {
  socket: Socket;
  notices: TerminalNotice[];
  /** What was drawn since the last reset. */
  text(): string;
  type(text: string): void;
  resize(cols: number, rows: number): void;
  closed: Promise<void>;
}

const attach = async (id: string, protocol = 'hearth-terminal'): Promise<Viewer> => {
  const call_ = request({
    ...{ host: '127.0.0.1', port, path: `/terminals/${id}/attach` },
    headers: { connection: 'Upgrade', upgrade: protocol },
  });
  const opened = Promise.withResolvers<{ socket: Socket; head: Buffer }>();
  call_.on('upgrade', (_answer, socket, head) => opened.resolve({ socket: socket, head }));
  call_.on('response', (answer) => {
    answer.setEncoding('utf8').on('data', (text: string) => opened.reject(new Error(text)));
  });
  call_.end();
  const { socket, head } = await opened.promise;
  sockets.add(socket);
  const notices: TerminalNotice[] = [];
  let text = '';
  const read = createTerminalFrameReader();
  const onData = (chunk: Uint8Array): void => {
    for (const frame of read(chunk)) {
      if (frame.type === 'bytes') text += Buffer.from(frame.bytes).toString();
      else {
        const notice = terminalNoticeSchema.parse(JSON.parse(frame.text));
        if (notice.type === 'reset') text = '';
        notices.push(notice);
      }
    }
  };
  const closed = new Promise<void>((done) => socket.once('close', () => done()));
  socket.on('error', () => undefined);
  onData(head);
  socket.on('data', onData);
  return {
    socket,
    notices,
    text: () => text,
    type: (typed) => {
      for (const frame of encodeTerminalBytes(Buffer.from(typed))) socket.write(frame);
    },
    resize: (cols, rows) => void socket.write(encodeTerminalJson({ type: 'resize', cols, rows })),
    closed,
  };
};
const seen = async (viewer: Viewer, text: string): Promise<void> =>
  vi.waitFor(() => {
    if (!viewer.text().includes(text)) throw new Error(`${text} is not in: ${viewer.text().slice(-500)}`);
  }, WAIT);

describe('a terminal', () => {
  it('is a login shell of that size in the home, with the keys of all tools', async () => {
    await listen();
    const { id } = await open({ cols: 100, rows: 30 });
    const viewer = await attach(id);
    viewer.type('shopt -q login_shell && echo "login $PWD $FAKE_KEY $TERM ${VITEST-none} $(stty size)"\r');
    await seen(viewer, `login ${home} fake-all-NOT-A-TOKEN xterm-256color none 30 100`);
    expect(viewer.notices[0]).toEqual({ type: 'reset', cols: 100, rows: 30 });
    viewer.type('exit 3\r');
    await viewer.closed;
    expect(viewer.notices.at(-1)).toEqual({ type: 'exit', exitCode: 3 });
    expect(await list()).toMatchObject([{ id, exitCode: 3, viewers: 0 }]);
  });

  it('is a tool in place of a shell, in its own folder, and ends with it', async () => {
    const tool = { command: ['sh', '-c', 'echo "tool $0 $PWD $FAKE_KEY $MODE"; read x; exit 4', 'a b'] };
    await listen({ known: { codex: { interactive: { ...tool, env: { MODE: 'm' } } } } });
    await mkdir(join(home, 'work'));
    const { id } = await open({ provider: 'codex', cwd: join(home, 'work') });
    const viewer = await attach(id);
    await seen(viewer, `tool a b ${home}/work fake-codex-NOT-A-TOKEN m`);
    viewer.type('\r');
    await viewer.closed;
    expect(await list()).toMatchObject([{ id, provider: 'codex', exitCode: 4 }]);
  });

  it('outlives its viewers, and shows screen, scroll-back and title to the next one', async () => {
    await listen();
    const { id } = await open({ rows: 5 });
    const first = await attach(id);
    first.type('printf "\\033]0;my title\\007"; seq 1 200\r');
    await seen(first, '\r\n200\r\n');
    first.type('(sleep 0.2; echo "mean""while")\r');
    await seen(first, 'sleep');
    first.socket.destroy();
    await vi.waitFor(async () => expect((await list())[0]).toMatchObject({ viewers: 0 }), WAIT);
    await vi.waitFor(async () => {
      const next = await attach(id);
      await seen(next, '200');
      next.socket.destroy();
      expect(next.text()).toContain('meanwhile');
      expect(next.text()).toContain('\r\n17\r\n18\r\n');
      expect(next.notices).toContainEqual({ type: 'title', title: 'my title' });
    }, WAIT);
  });

  it('has several viewers, who all type, see the same, and set its size as they resize or type', async () => {
    await listen();
    const { id } = await open();
    const [ana, bob] = [await attach(id), await attach(id)];
    await vi.waitFor(() => expect(ana.notices).toContainEqual({ type: 'viewers', count: 2 }), WAIT);
    for (const [viewer, cols, rows] of [
      [ana, 120, 40],
      [bob, 90, 20],
    ] as const) {
      viewer.resize(cols, rows);
      await vi.waitFor(() => expect(ana.notices.at(-1)).toEqual({ type: 'size', cols, rows }), WAIT);
    }
    ana.type('stty size; echo "from "ana\r');
    await Promise.all([ana, bob].map(async (viewer) => seen(viewer, 'from ana')));
    expect(bob.text()).toContain('40 120');
    bob.type('stty size; echo "from "bob\r');
    await Promise.all([ana, bob].map(async (viewer) => seen(viewer, 'from bob')));
    expect(ana.text()).toContain('20 90');
    const sizes = ana.notices.filter(({ type }) => type === 'size');
    expect(sizes.at(-1)).toEqual({ type: 'size', cols: 90, rows: 20 });
    bob.socket.destroy();
    await vi.waitFor(() => expect(ana.notices.at(-1)).toEqual({ type: 'viewers', count: 1 }), WAIT);
  });

  it('F32: answers what programs ask by itself, once; viewers are not asked', async () => {
    await listen();
    const { id } = await open();
    const viewer = await attach(id);
    await seen(viewer, '$ ');
    viewer.type(
      `clear; stty raw -echo; printf '\\033[6n\\033[c'; head -c 13 | od -An -c | tr -d ' \\n'; stty sane\r`,
    );
    await seen(viewer, '033[1;1R033[?1;2c');
    expect(viewer.text()).not.toMatch(/\x1b\[(6n|c)/);
  });

  it('does not let a viewer that lags hold anything up: it is shown the screen anew once it reads', async () => {
    await listen({ lagBytes: 64 * 1024 });
    const { id } = await open();
    const [slow, quick] = [await attach(id), await attach(id)];
    await seen(slow, '$ ');
    slow.socket.pause();
    const before = process.memoryUsage().rss;
    quick.type('yes "a line of a program that prints a lot" | head -c 8000000; echo "the "end\r');
    await seen(quick, 'the end');
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
    const resets = () => slow.notices.filter(({ type }) => type === 'reset').length;
    expect(resets()).toBe(1);
    slow.socket.resume();
    await seen(slow, 'the end');
    expect(resets()).toBeGreaterThan(1);
    slow.type('echo "still "there\r');
    await Promise.all([slow, quick].map(async (viewer) => seen(viewer, 'still there')));
  }, 30_000);

  it('F45: ends with everything in it when it is removed, and is gone then', async () => {
    await listen();
    const { id } = await open();
    const viewer = await attach(id);
    viewer.type('(trap "" HUP; sleep 600) & echo "pid $!"\r');
    await seen(viewer, 'pid ');
    const pid = await vi.waitFor(() => {
      const found = /pid (\d+)\r/.exec(viewer.text())?.[1];
      expect(found).toBeDefined();
      return Number(found);
    }, WAIT);
    expect((await call('DELETE', `/terminals/${id}`)).status).toBe(204);
    expect(await list()).toEqual([]);
    await viewer.closed;
    expect(viewer.notices.at(-1)).toMatchObject({ type: 'exit' });
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), WAIT);
    expect((await call('DELETE', `/terminals/${id}`)).status).toBe(404);
  });

  it('of a tool ends when its credential is taken away; a shell when a key is that is in its environment', async () => {
    await listen({ known: { codex: { interactive: { command: ['sleep', '600'], env: {} } } } });
    await open({ provider: 'codex' });
    const digest = '0'.repeat(64);
    held = [
      { provider: 'codex', kind: 'sign_in', version: 1, digest, intact: true, changed: false },
      { provider: 'gemini_cli', kind: 'api_key', version: 1, digest, intact: true, changed: false },
    ];
    await open();
    expect(ends.size).toBe(2);
    for (const end of ends) end();
    await vi.waitFor(
      async () => expect((await list()).every(({ exitCode }) => exitCode !== null)).toBe(true),
      WAIT,
    );
  });

  it('that has ended shows its last screen, and gives way where there are many', async () => {
    await listen({ known: { codex: { interactive: { command: ['echo', 'last words'], env: {} } } } });
    const { id } = await open({ provider: 'codex' });
    await vi.waitFor(async () => expect((await list())[0]?.exitCode).toBe(0), WAIT);
    const viewer = await attach(id);
    await viewer.closed;
    expect(viewer.text()).toContain('last words');
    expect(viewer.notices.map(({ type }) => type)).toEqual(['reset', 'exit']);
    for (let count = 0; count < 16; count += 1) await open();
    const terminals = await list();
    expect(terminals).toHaveLength(16);
    expect(terminals.map((one) => one.id)).not.toContain(id);
    const refused = problemSchema.parse(await (await call('POST', '/terminals', {})).json());
    expect(refused).toMatchObject({ code: 'terminal_limit', status: 429 });
  });
});

it('names what is wrong with a call', async () => {
  await listen({ known: {} });
  await symlink('/etc', join(home, 'out'));
  const refusal = async (body: unknown) =>
    problemSchema.parse(await (await call('POST', '/terminals', body)).json());
  expect(await refusal({ cwd: '/etc' })).toMatchObject({ code: 'bad_request' });
  expect(await refusal({ cwd: join(home, 'out') })).toMatchObject({ code: 'bad_request' });
  expect(await refusal({ cwd: join(home, 'absent') })).toMatchObject({ code: 'file_not_found' });
  expect(await refusal({ cols: 1 })).toMatchObject({ code: 'bad_request' });
  expect(await refusal({ provider: 'nobody' })).toMatchObject({ code: 'bad_request' });
  expect(await refusal({ provider: 'codex' })).toMatchObject({ code: 'bad_request' });
  await expect(attach('trm-000000000000')).rejects.toThrow('not_found');
  await expect(attach('x')).rejects.toThrow('bad_request');
  const { id } = await open();
  await expect(attach(id, 'rfb')).rejects.toThrow('Upgrade: hearth-terminal');
  expect((await call('GET', `/terminals/${id}/attach`)).status).toBe(400);
  const liar = await attach(id);
  liar.socket.write(Buffer.from([9, 0, 0, 0, 0]));
  await liar.closed;
  const garbler = await attach(id);
  garbler.socket.write(Buffer.concat([Buffer.from([1, 0, 0, 0, 2]), Buffer.from('{]')]));
  await garbler.closed;
  expect(await list()).toMatchObject([{ id, viewers: 0, exitCode: null }]);
});
