import { fileWrittenSchema, folderSchema, MAX_FOLDER_ENTRIES, problemSchema } from '@hearth/contract';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
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

  it.each(['&mode=abc', '&mode=99', '&user=nobody', '&mode=644&mode=600', '&conflict=merge'])(
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

describe('files that must not replace others', () => {
  const drop = async (name: string, content: string) => {
    const answer = await put(join(folder, name), bytes(content), '&conflict=rename');
    return fileWrittenSchema.parse(await answer.json()).path.slice(folder.length + 1);
  };

  it('get a number as browsers give it, and the first one is kept', async () => {
    expect(await drop('kept.txt', 'one')).toBe('kept.txt');
    expect(await drop('kept.txt', 'two')).toBe('kept (1).txt');
    expect(await drop('kept.txt', 'three')).toBe('kept (2).txt');
    expect(await drop('.profile', 'a')).toBe('.profile');
    expect(await drop('.profile', 'b')).toBe('.profile (1)');
    expect(await drop('logs.tar.gz', 'a')).toBe('logs.tar.gz');
    expect(await drop('logs.tar.gz', 'b')).toBe('logs (1).tar.gz');
    expect(await readFile(join(folder, 'kept.txt'), 'utf8')).toBe('one');
    expect(await readFile(join(folder, 'kept (2).txt'), 'utf8')).toBe('three');
  });

  it('leave folders, links and dangling links alone', async () => {
    await mkdir(join(folder, 'a-folder'));
    await symlink('/nowhere/at-all', join(folder, 'dangling'));
    expect(await drop('a-folder', 'x')).toBe('a-folder (1)');
    expect(await drop('dangling', 'x')).toBe('dangling (1)');
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('written at the same time all survive', async () => {
    const contents = Array.from({ length: 20 }, (_, count) => `content ${count}`);
    const names = await Promise.all(contents.map((content) => drop('race.bin', content)));
    expect(new Set(names).size).toBe(20);
    const read = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    expect(read).toEqual(contents);
  });

  it('have names that are not too long, in whole characters', async () => {
    const name = `${'ü'.repeat(125)}.text`;
    expect(await drop(name, 'a')).toBe(name);
    expect(await drop(name, 'b')).toBe(`${'ü'.repeat(123)} (1).text`);
  });

  it.each([
    ['no/such/folder/file', 'file_not_found'],
    ['a-folder/..', 'file_failed'],
    ['a-folder/', 'file_failed'],
  ])('are refused where they name no file: %s', async (name, expected) => {
    expect(await code(await put(`${folder}/${name}`, bytes('x'), '&conflict=rename'))).toBe(expected);
  });
});

describe('folders', () => {
  const list = async (path: string) => {
    const answer = await agent.call(`/folders?path=${encodeURIComponent(path)}`);
    return folderSchema.parse(await answer.json());
  };

  it('are listed newest first, with kinds and sizes; links are not followed', async () => {
    const path = join(folder, 'listed');
    await mkdir(join(path, 'below'), { recursive: true });
    await writeFile(join(path, 'old.txt'), 'four');
    await writeFile(join(path, 'new ü.txt'), '');
    await symlink('/etc/shadow', join(path, 'link'));
    await utimes(join(path, 'old.txt'), 1, 1);
    await utimes(join(path, 'below'), 2, 2);
    await utimes(join(path, 'new ü.txt'), 4_000_000_000, 4_000_000_000);
    const { entries, ...rest } = await list(path);
    expect(rest).toEqual({ path, truncated: false });
    expect(entries.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'new ü.txt file',
      'link other',
      'below folder',
      'old.txt file',
    ]);
    expect(entries[3]).toEqual({ name: 'old.txt', kind: 'file', bytes: 4, modifiedAtMs: 1000 });
  });

  it('with too much in them give the newest', async () => {
    const path = join(folder, 'full');
    await mkdir(path);
    for (let count = 0; count <= MAX_FOLDER_ENTRIES; count++) await writeFile(join(path, `f${count}`), '');
    await utimes(join(path, 'f7'), 4_000_000_000, 4_000_000_000);
    await utimes(join(path, 'f8'), 1, 1);
    const { entries, truncated } = await list(path);
    expect(truncated).toBe(true);
    expect(entries).toHaveLength(MAX_FOLDER_ENTRIES);
    expect(entries[0]?.name).toBe('f7');
    expect(entries.map(({ name }) => name)).not.toContain('f8');
  });

  it.each([
    ['missing', 'file_not_found'],
    ['target', 'file_failed'],
    ['target/below', 'file_failed'],
  ])('that are none are named: %s', async (name, expected) => {
    await writeFile(join(folder, 'target'), 'x');
    expect(await code(await agent.call(`/folders?path=${encodeURIComponent(join(folder, name))}`))).toBe(
      expected,
    );
  });

  it.each(['/folders', '/folders?path=relative', '/folders?path=/a%00', '/folders?path=/a&more=1'])(
    'with a malformed path are refused: %s',
    async (path) => {
      expect(await code(await agent.call(path))).toBe('bad_request');
    },
  );
});
