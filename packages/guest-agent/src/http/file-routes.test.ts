import { problemSchema } from '@hearth/contract';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startConfiguredAgent, type TestAgent } from '../testing/start-test-agent.ts';

let agent: TestAgent;
let folder: string;
beforeAll(async () => {
  agent = await startConfiguredAgent();
  folder = await mkdtemp(join(tmpdir(), 'hearth-files-'));
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const url = (path: string, more = '') => `/files?path=${encodeURIComponent(path)}${more}`;
const put = (path: string, body: Uint8Array<ArrayBuffer>, more = '') =>
  agent.call(url(path, more), { method: 'PUT', body });
const code = async (response: Response) => problemSchema.parse(await response.json()).code;
const bytes = (text: string) => Buffer.from(text);

describe('files', () => {
  it('go there and back unchanged, with the mode asked for', async () => {
    const path = join(folder, 'ümläut and space');
    const content = randomBytes(5 * 1024 * 1024 + 1);
    const written = await put(path, content, '&mode=751');
    expect(await written.json()).toEqual({ path, bytes: content.length });
    expect((await stat(path)).mode & 0o7777).toBe(0o751);
    const read = await agent.call(url(path));
    expect(read.headers.get('content-length')).toBe(String(content.length));
    expect(Buffer.from(await read.arrayBuffer()).equals(content)).toBe(true);
  });

  it('may be empty', async () => {
    const path = join(folder, 'empty');
    expect((await put(path, bytes(''))).status).toBe(200);
    expect((await (await agent.call(url(path))).arrayBuffer()).byteLength).toBe(0);
  });

  it('of /proc can be read, though their size is unknown', async () => {
    expect(await (await agent.call(url('/proc/self/status'))).text()).toContain('Pid:');
  });

  it('replace what was there, through a link too', async () => {
    const path = join(folder, 'target');
    await writeFile(path, 'old');
    await symlink(path, join(folder, 'link'));
    await put(join(folder, 'link'), bytes('new'));
    expect(await readFile(path, 'utf8')).toBe('new');
  });

  it.each([
    ['missing', 'file_not_found'],
    ['', 'file_failed'],
    ['pipe', 'file_failed'],
    ['target/below', 'file_failed'],
  ])('that cannot be read are named: %s', async (name, expected) => {
    await writeFile(join(folder, 'target'), 'x');
    if (name === 'pipe') execFileSync('mkfifo', [join(folder, name)]);
    expect(await code(await agent.call(url(join(folder, name))))).toBe(expected);
  });

  it.each([
    ['no/such/folder/file', 'file_not_found'],
    ['subfolder', 'file_failed'],
    ['new/', 'file_failed'],
    ['subfolder/', 'file_failed'],
    ['subfolder/..', 'file_failed'],
    ['x'.repeat(300), 'file_failed'],
  ])('that cannot be written are named, and nothing is left: %#', async (name, expected) => {
    await mkdir(join(folder, 'subfolder'), { recursive: true });
    const before = await readdir(folder);
    expect(await code(await put(`${folder}/${name}`, bytes('x')))).toBe(expected);
    expect(await readdir(folder)).toEqual(before);
  });

  it.each([
    '/files',
    '/files?path=relative/path',
    '/files?path=../../etc/passwd',
    '/files?path=/etc/pass%00wd',
    '/files?path=/a&path=/b',
    '/files?path=/a&other=1',
    `/files?path=/${'a'.repeat(5000)}`,
  ])('with a malformed path are refused: %#', async (path) => {
    expect(await code(await agent.call(path))).toBe('bad_request');
  });

  it.each(['&mode=abc', '&mode=99', '&user=nobody', '&mode=644&mode=600'])(
    'with a malformed %s are refused',
    async (more) => {
      expect(await code(await put(join(folder, 'never'), bytes('x'), more))).toBe('bad_request');
      expect(await readdir(folder)).not.toContain('never');
    },
  );

  it('appear whole or not at all: a cut-off upload leaves the old one and no rest', async () => {
    const path = join(folder, 'whole');
    await writeFile(path, 'old');
    const abort = new AbortController();
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.alloc(100_000, 'n')),
    });
    const sent = agent
      .call(url(path), { method: 'PUT', body, duplex: 'half', signal: abort.signal })
      .catch(() => undefined);
    await expect.poll(async () => (await readdir(folder)).some((name) => name.endsWith('.part'))).toBe(true);
    abort.abort();
    await sent;
    await expect.poll(async () => (await readdir(folder)).some((name) => name.endsWith('.part'))).toBe(false);
    expect(await readFile(path, 'utf8')).toBe('old');
  });
});
