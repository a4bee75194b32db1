import { guestRunLineSchema, type GuestRunLine, type GuestRunOrder } from '@hearth/contract';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LoginUser } from '../exec/login-user.ts';
import { createPipeStore } from '../exec/pipes.ts';
import { createHttpServer } from '../http/server.ts';
import type { GuestRunDeps } from './guest-run.ts';
import { runRoutes } from './run-routes.ts';

const ID = 'run-000000000001';
let folder: string;
let home: string;
let server: Server;
let url: string;
let runs: ReturnType<typeof runRoutes>;
let used: Set<() => void>;

const listen = async (options: Partial<GuestRunDeps> = {}): Promise<void> => {
  const { uid, gid } = userInfo();
  const user: LoginUser = {
    ...{ name: 'hearth', uid, gid, home, shell: '/bin/bash', path: '/usr/local/bin:/usr/bin:/bin' },
  };
  runs = runRoutes({
    user,
    pipes: createPipeStore(join(folder, 'pipes')),
    credentials: {
      environment: (provider) => ({ FAKE_KEY: `fake-${provider ?? 'all'}-NOT-A-TOKEN` }),
      using: (_provider, end) => {
        used.add(end);
        return () => used.delete(end);
      },
    },
    spoolFolder: join(folder, 'spool'),
    randomBytes,
    log: () => undefined,
    ...options,
  });
  server = createHttpServer({ routes: runs.routes, authorize: () => undefined, log: () => undefined });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-runs-'));
  home = join(folder, 'home');
  await mkdir(home);
  used = new Set();
});
afterEach(async () => {
  runs.stop();
  await vi.waitFor(() => expect(used.size).toBe(0), 8000);
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

const order = (script: string, more: Partial<GuestRunOrder> = {}): GuestRunOrder => ({
  ...{ command: ['bash', '-c', script], env: {}, provider: 'codex', stdin: '', cwd: join(home, 'work') },
  ...{ files: [], timeoutMs: 60_000 },
  ...more,
});
const call = (method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(url + path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
const start = async (...args: Parameters<typeof order>): Promise<void> => {
  const answer = await call('PUT', `/runs/${ID}`, order(...args));
  expect(answer.status, await answer.clone().text()).toBe(201);
};
const parse = (text: string): GuestRunLine[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => guestRunLineSchema.parse(JSON.parse(line)));
const read = async (after = -1): Promise<GuestRunLine[]> =>
  parse(await (await call('GET', `/runs/${ID}/output?after=${after}`)).text());
const problem = async (answer: Response): Promise<{ status: number; code: string; detail: string }> =>
  (await answer.json()) as { status: number; code: string; detail: string };
/** One that has ended may wait for somebody who asks how. */
const isAlive = async (pid: number): Promise<boolean> =>
  /\) [^Z]/.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''));
const last = <T extends GuestRunLine['type']>(lines: GuestRunLine[], type: T): GuestRunLine & { type: T } =>
  lines.findLast((line) => line.type === type) as GuestRunLine & { type: T };

async function firstPiece({ body }: Response): Promise<string> {
  const read = await (body as ReadableStream<Uint8Array> | null)?.getReader().read();
  return Buffer.from(read?.value ?? new Uint8Array()).toString();
}

describe('a run', () => {
  it('gets its folder, its input, its key and a clean environment, and says each line once, in order', async () => {
    await listen();
    await start('pwd; cat; echo "$FAKE_KEY $X ${VITEST-none}"; echo problem >&2; exit 3', {
      stdin: 'the prompt\nof two lines',
      env: { X: 'y' },
    });
    const lines = await read();
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_line, at) => at));
    const texts = (stream: string) =>
      lines.flatMap((line) => (line.type === 'line' && line.stream === stream ? [line.text] : []));
    expect(texts('stdout')).toEqual([
      join(home, 'work'),
      'the prompt',
      'of two linesfake-codex-NOT-A-TOKEN y none',
    ]);
    expect(texts('stderr')).toEqual(['problem']);
    expect(lines.at(-2)).toMatchObject({ type: 'exit', exitCode: 3, by: 'itself' });
    expect(lines.at(-1)).toMatchObject({ type: 'changes', files: [], truncated: false });
    expect(await read(lines.length - 3)).toEqual(lines.slice(-2));
    expect(await read(2)).toEqual(lines.slice(3));
    expect(await read(99)).toEqual([]);
  });

  it('is started once, however often it is asked for', async () => {
    await listen();
    const body = order('echo x >> started; sleep 0.2');
    const answers = await Promise.all([1, 2, 3].map(() => call('PUT', `/runs/${ID}`, body)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 201]);
    await read();
    expect((await call('PUT', `/runs/${ID}`, body)).status).toBe(200);
    expect(await readFile(join(home, 'work/started'), 'utf8')).toBe('x\n');
  });

  it('goes on without its reader, and another one takes it up', async () => {
    await listen();
    await start('echo one; until [ -e go ]; do sleep 0.02; done; echo two');
    const first = new AbortController();
    const answer = await fetch(`${url}/runs/${ID}/output`, { signal: first.signal });
    expect(parse(await firstPiece(answer))).toMatchObject([{ seq: 0, text: 'one' }]);
    first.abort();
    await writeFile(join(home, 'work/go'), '');
    expect((await read(0))[0]).toMatchObject({ seq: 1, text: 'two' });
  });

  it('F45: is ended with all its children when it is cancelled', async () => {
    await listen();
    await start('trap "" TERM; (sleep 600 & echo $! ; wait) & sleep 600 & echo $$; wait');
    await vi.waitFor(async () => {
      const piece = await firstPiece(await call('GET', `/runs/${ID}/output`));
      expect(parse(piece).length).toBeGreaterThan(0);
    });
    expect((await call('POST', `/runs/${ID}/cancel`)).status).toBe(204);
    const lines = await read();
    expect(last(lines, 'exit')).toMatchObject({ by: 'cancel' });
    for (const line of lines)
      if (line.type === 'line')
        await vi.waitFor(async () => expect(await isAlive(Number(line.text))).toBe(false), 5000);
  });

  it('ends with its time, and what it left in the background with it', async () => {
    await listen();
    await start('sleep 600', { timeoutMs: 100 });
    expect(last(await read(), 'exit')).toMatchObject({ by: 'timeout', exitCode: 143 });
    await call('DELETE', `/runs/${ID}`);
    await start('sleep 600 >/dev/null 2>&1 & echo $!');
    const lines = await read();
    expect(last(lines, 'exit')).toMatchObject({ by: 'itself', exitCode: 0 });
    const pid = Number(last(lines, 'line').text);
    await vi.waitFor(async () => expect(await isAlive(pid)).toBe(false), 5000);
  });

  it('ends when its credential is taken away', async () => {
    await listen();
    await start('sleep 600');
    for (const end of used) end();
    expect(last(await read(), 'exit').by).toBe('cancel');
  });

  it('is forgotten once deleted, also while it runs', async () => {
    await listen();
    await start('sleep 600');
    expect((await call('DELETE', `/runs/${ID}`)).status).toBe(204);
    expect((await call('DELETE', `/runs/${ID}`)).status).toBe(204);
    expect(await problem(await call('GET', `/runs/${ID}/output`))).toMatchObject({ code: 'not_found' });
    expect(await problem(await call('POST', `/runs/${ID}/cancel`))).toMatchObject({ code: 'not_found' });
  });

  it('names what is wrong with an order, starts nothing then, and takes the right one', async () => {
    await listen();
    const refusal = async (more: Partial<GuestRunOrder>, script = 'true') =>
      problem(await call('PUT', `/runs/${ID}`, order(script, more)));
    expect(await refusal({ command: ['no-such-tool'] })).toMatchObject({
      code: 'exec_failed',
      detail: expect.stringContaining('no-such-tool') as string,
    });
    expect(await refusal({ command: [] })).toMatchObject({ code: 'bad_request' });
    expect(await refusal({ timeoutMs: -1 })).toMatchObject({ code: 'bad_request' });
    expect(await problem(await call('PUT', '/runs/run-1', order('true')))).toMatchObject({
      code: 'bad_request',
    });
    expect(await problem(await call('GET', `/runs/${ID}/output?after=x`))).toMatchObject({
      code: 'bad_request',
    });
    expect(used.size).toBe(0);
    await start('true');
  });
});

describe('the folder of a run', () => {
  it.each([
    ['outside', () => '/etc'],
    ['outside by ..', () => `${home}/../../etc`],
    ['beside, with the same beginning', () => `${home}-2`],
    ['over a link that leads out', () => join(home, 'out/etc')],
    ['a link to nowhere', () => join(home, 'dangling/x')],
    ['over a file', () => join(home, 'file/x')],
  ])('is refused where it is %s', async (_what, cwd) => {
    await listen();
    await symlink('/', join(home, 'out'));
    await symlink('/nowhere/at/all', join(home, 'dangling'));
    await writeFile(join(home, 'file'), '');
    const answer = await problem(await call('PUT', `/runs/${ID}`, order('true', { cwd: cwd() })));
    expect(answer.status, JSON.stringify(answer)).toBeGreaterThanOrEqual(400);
    expect(['bad_request', 'file_failed']).toContain(answer.code);
    expect(answer.detail).toContain(cwd());
  });

  it('may be behind a link that stays inside', async () => {
    await listen();
    await mkdir(join(home, 'real'));
    await symlink('real', join(home, 'link'));
    await start('pwd -P', { cwd: join(home, 'link/new/deep') });
    expect((await read())[0]).toMatchObject({ text: join(home, 'real/new/deep') });
  });

  it('gets files before the start, which are no changes of the run', async () => {
    await listen();
    const bytes = randomBytes(1000);
    const file = (path: string, content: Uint8Array) => ({
      path,
      contentBase64: Buffer.from(content).toString('base64'),
    });
    await mkdir(join(home, 'work'));
    await writeFile(join(folder, 'secret'), 'kept');
    await symlink(join(folder, 'secret'), join(home, 'work/link'));
    const files = [file('a/b/blob', bytes), file('link', Buffer.from('new'))];
    await start('cat link; ls -R', { files });
    const lines = await read();
    expect(lines[0]).toMatchObject({ text: 'new.:' });
    expect(last(lines, 'changes').files).toEqual([]);
    expect((await readFile(join(home, 'work/a/b/blob'))).equals(bytes)).toBe(true);
    expect(await readFile(join(folder, 'secret'), 'utf8')).toBe('kept');
    expect((await lstat(join(home, 'work/link'))).isFile()).toBe(true);
  });

  it.each(['/etc/x', '../x', 'a/../../x', 'a//b', '', 'out/x', 'dir'])('takes no file %j', async (path) => {
    await listen();
    await mkdir(join(home, 'work/dir'), { recursive: true });
    await symlink(folder, join(home, 'work/out'));
    const files = [{ path, contentBase64: 'eA==' }];
    const answer = await problem(await call('PUT', `/runs/${ID}`, order('true', { files })));
    expect(['bad_request', 'file_failed']).toContain(answer.code);
    expect(await lstat(join(folder, 'x')).catch(() => null)).toBeNull();
  });

  it('is compared with what it was', async () => {
    await listen();
    const work = join(home, 'work');
    await mkdir(join(work, 'node_modules'), { recursive: true });
    await mkdir(join(work, 'sub'));
    await writeFile(join(work, 'changed.txt'), 'old\n');
    await writeFile(join(work, 'same.txt'), 'same\n');
    await writeFile(join(work, 'sub/removed.txt'), 'gone\n');
    await writeFile(join(work, 'blob'), Buffer.from([1, 0, 2]));
    await writeFile(join(work, 'large'), 'x'.repeat(300_000));
    await start(
      'echo new > changed.txt; touch same.txt; rm sub/removed.txt; mkdir -p d; echo a > d/added; printf "\\0\\1" > blob; ' +
        'echo y >> large; echo z > node_modules/z; ln -s /etc/passwd leak; mkfifo pipe',
    );
    expect(last(await read(), 'changes')).toMatchObject({
      truncated: false,
      files: [
        { path: 'blob', change: 'changed', before: null, after: null },
        { path: 'changed.txt', change: 'changed', before: 'old\n', after: 'new\n' },
        { path: 'd/added', change: 'added', before: null, after: 'a\n' },
        { path: 'large', change: 'changed', before: null, after: null },
        { path: 'leak', change: 'added', before: null, after: null },
        { path: 'sub/removed.txt', change: 'removed', before: 'gone\n', after: null },
      ],
    });
  });

  it('may be the home, where what tools keep is nobody’s change; may be gone in the end', async () => {
    await listen();
    await start('mkdir .tool; echo s > .tool/secret; echo x > x', { cwd: home });
    expect(last(await read(), 'changes').files.map(({ path }) => path)).toEqual(['x']);
    await call('DELETE', `/runs/${ID}`);
    await start('echo y; rm -r "$PWD"', { files: [{ path: 'f', contentBase64: 'eA==' }] });
    expect(last(await read(), 'changes').files).toEqual([
      { path: 'f', change: 'removed', before: 'x', after: null },
    ]);
  });

  it('of more files than are looked at is called so, and no old file a new one', async () => {
    await listen();
    const work = join(home, 'work');
    await mkdir(work);
    await Promise.all(Array.from({ length: 2100 }, (_one, at) => writeFile(join(work, `f${at}`), '')));
    await pause(20);
    await start('echo a > a-new; rm f9*');
    const { truncated, files } = last(await read(), 'changes');
    expect(truncated).toBe(true);
    expect(files.filter(({ change }) => change === 'added')).toEqual([
      { path: 'a-new', change: 'added', before: null, after: 'a\n' },
    ]);
    expect(files.filter(({ change }) => change === 'changed')).toEqual([]);
  });
});

describe('what a run prints', () => {
  it('is kept up to the limit, and counted beyond it; memory stays bounded with a gigabyte and a reader that takes nothing', async () => {
    await listen({ keptBytes: 8 * 1024 * 1024 });
    await start('yes "a line of the output of a tool that never stops" | head -c 1073741824; echo >&2 end');
    const slow = await fetch(`${url}/runs/${ID}/output`);
    let peak = 0;
    const before = process.memoryUsage().rss;
    const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss - before)), 20);
    const lines = await read(100_000);
    clearInterval(timer);
    const dropped = lines.find((line) => line.type === 'dropped');
    expect(lines[0]?.seq).toBe(100_001);
    expect(dropped?.bytes).toBeGreaterThan(1_065_000_000);
    expect(last(lines, 'exit')).toMatchObject({ exitCode: 0, by: 'itself' });
    // The test's own copy of what was kept is most of it.
    expect(peak / 1024 / 1024).toBeLessThan(400);
    await slow.body?.cancel();
  }, 60_000);

  it('is cut at a megabyte a line, whatever its bytes, and a last line needs no end', async () => {
    await listen();
    await start('head -c 3000000 /dev/zero | tr "\\0" x; echo; printf "\\377\\n\\n"; printf "no end"');
    const lines = await read();
    const texts = lines.flatMap((line) => (line.type === 'line' ? [line.text] : []));
    expect(texts[0]).toHaveLength(1024 * 1024);
    expect(texts.slice(1)).toEqual(['\ufffd', '', 'no end']);
  });

  it('comes as it is printed', async () => {
    await listen();
    await start('echo first; until [ -e go ]; do sleep 0.01; done');
    const answer = await fetch(`${url}/runs/${ID}/output`);
    const reader = answer.body?.getReader();
    expect(parse(Buffer.from((await reader?.read())?.value ?? []).toString())).toMatchObject([
      { text: 'first' },
    ]);
    await writeFile(join(home, 'work/go'), '');
    let rest = '';
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read())
      rest += Buffer.from(part.value).toString();
    expect(parse(rest).map(({ type }) => type)).toEqual(['exit', 'changes']);
  });
});
