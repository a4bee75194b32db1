import { downloadListSchema, downloadSchema, vmSchema, type VmId } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import {
  createServer,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { refused } from '../test-problem.ts';
import { attachment } from './attachment.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;
let id: VmId;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath);
  ana = await api.token('ana');
  id = await create('browser');
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});
const create = (kind: 'browser' | 'cli'): Promise<VmId> => createAt(api, kind);
const createAt = async (at: TestController, kind: 'browser' | 'cli' = 'browser'): Promise<VmId> => {
  const vm = vmSchema.parse(await (await at.call(ana, 'POST', '/api/vms', { body: { kind } })).json());
  await until('ready', async () => {
    const now = vmSchema.parse(await (await at.call(ana, 'GET', `/api/vms/${vm.id}`)).json());
    return now.state === 'ready';
  });
  return vm.id;
};
const downloads = (name = ''): string => `/api/vms/${id}/desktop/downloads${name}`;
const put = (name: string, body: string, type = 'application/octet-stream'): Promise<Response> =>
  api.call(ana, 'PUT', downloads(`/${name}`), { body, headers: { 'content-type': type } });

describe('downloads of a desktop', () => {
  it('come and go as they are, and none takes the place of another', async () => {
    expect(downloadListSchema.parse(await (await api.call(ana, 'GET', downloads())).json()).files).toEqual(
      [],
    );
    const first = await put('Bericht 2026 “neu”.txt', 'eins', 'text/plain');
    expect(first.status).toBe(201);
    expect(downloadSchema.parse(await first.json())).toEqual({ name: 'Bericht 2026 “neu”.txt', bytes: 4 });
    const second = downloadSchema.parse(await (await put('Bericht 2026 “neu”.txt', 'zwei!')).json());
    expect(second).toEqual({ name: 'Bericht 2026 “neu” (1).txt', bytes: 5 });

    const list = downloadListSchema.parse(await (await api.call(ana, 'GET', downloads())).json());
    expect(list.files.map(({ name }) => name).toSorted()).toEqual([second.name, 'Bericht 2026 “neu”.txt']);
    expect(list.truncated).toBe(false);

    const answer = await api.call(ana, 'GET', downloads(`/${encodeURIComponent(second.name)}`));
    expect(await answer.text()).toBe('zwei!');
    expect(answer.headers.get('content-length')).toBe('5');
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename="Bericht 2026 _neu_ (1).txt"; filename*=UTF-8''Bericht%202026%20%E2%80%9Cneu%E2%80%9D%20%281%29.txt`,
    );
  });

  it.each([
    '..%2F..%2Fx',
    '%2e%2e%2f%2e%2e%2fx',
    '..',
    '%2Fetc%2Fpasswd',
    'a%5Cb',
    'a%00b',
    'a%0Ab',
    'x'.repeat(256),
  ])('the name %j is refused before a byte is read', async (name) => {
    // Sent by hand: fetch would tidy the path up.
    const { port } = new URL(api.url);
    const head = { authorization: `Bearer ${ana}`, 'content-type': 'application/octet-stream' };
    const path = downloads(`/${name}`);
    const request = httpRequest({
      port,
      path,
      method: 'PUT',
      headers: { ...head, 'content-length': 2 ** 31 },
    });
    request.on('error', () => undefined).flushHeaders();
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(400);
    request.destroy();
    expect(host.calls.some((call) => call.path.endsWith('/files'))).toBe(false);
    expect(host.files.size).toBe(0);
  });

  it('takes the longest name that there is', async () => {
    const name = 'ä'.repeat(127);
    expect(downloadSchema.parse(await (await put(encodeURIComponent(name), 'x')).json()).name).toBe(name);
  });

  it('are refused in words: a missing file, a VM without a desktop, a stranger', async () => {
    expect(await refused(await api.call(ana, 'GET', downloads('/none')))).toMatchObject({
      code: 'file_not_found',
    });
    const bob = await api.token('bob');
    expect(await refused(await api.call(bob, 'GET', downloads()))).toMatchObject({ code: 'not_found' });
    id = await create('cli');
    expect(await refused(await api.call(ana, 'GET', downloads()))).toMatchObject({ code: 'not_a_desktop' });
    expect(await refused(await put('x', 'x'))).toMatchObject({ code: 'not_a_desktop' });
  });
});

describe('a file of any size', () => {
  const FILE_BYTES = 256 * 1024 * 1024;
  /** What sockets and streams on the way may hold. */
  const ON_THE_WAY_BYTES = 32 * 1024 * 1024;
  const CHUNK = Buffer.alloc(1024 * 1024, 0x61);

  /** Writes a file's bytes as fast as they are taken; gives how many were. */
  const pour = (sink: Writable): (() => number) => {
    let poured = 0;
    const next = (): void => {
      while (poured < FILE_BYTES && !sink.destroyed) {
        poured += CHUNK.length;
        if (!sink.write(CHUNK)) {
          sink.once('drain', next);
          return;
        }
      }
      sink.end();
    };
    next();
    return () => poured;
  };
  const count = async (source: Readable): Promise<number> => {
    let bytes = 0;
    for await (const chunk of source as AsyncIterable<Buffer>) bytes += chunk.length;
    return bytes;
  };
  /** Resolves with a figure that has stopped to grow. */
  const settled = async (figure: () => number): Promise<number> => {
    for (let before = -1; ;) {
      const now = figure();
      if (now > 0 && now === before) return now;
      before = now;
      await pause(200);
    }
  };
  /** A fake host, but for files: of those it tells how a call goes on. */
  const startHostWithFiles = async (
    onFile: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<{ path: string } & AsyncDisposable> => {
    const path = join(folder, 'files.sock');
    const fake = await startFakeHost(join(folder, 'other.sock'));
    const server = createServer((request, response) => {
      if (request.url?.includes('/files?') === true) {
        onFile(request, response);
        return;
      }
      const { url, method, headers } = request;
      const onward = httpRequest({ socketPath: fake.socketPath, path: url, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    server.listen(path);
    await once(server, 'listening');
    return {
      path,
      [Symbol.asyncDispose]: async () => {
        server.closeAllConnections();
        server.close();
        await fake.close();
      },
    };
  };
  const callRaw = (url: string, method: string, token: string): ClientRequest =>
    httpRequest(new URL(downloads('/large.bin'), url), {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
    });

  it('waits with its sender while the VM takes nothing, and then arrives whole', async () => {
    const go = Promise.withResolvers<undefined>();
    await using files = await startHostWithFiles((request, response) => {
      void (async () => {
        await go.promise;
        const bytes = await count(request);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ path: '/home/hearth/Downloads/large (1).bin', bytes }));
      })();
    });
    await using large = await startTestController(files.path);
    ana = await large.token('ana');
    id = await createAt(large);
    const request = callRaw(large.url, 'PUT', ana);
    const poured = pour(request);
    expect(await settled(poured)).toBeLessThan(ON_THE_WAY_BYTES);
    go.resolve(undefined);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(201);
    expect(await json(answer)).toEqual({ name: 'large (1).bin', bytes: FILE_BYTES });
  }, 30_000);

  it('waits in the VM while its reader takes nothing, and then arrives whole', async () => {
    let poured = (): number => 0;
    await using files = await startHostWithFiles((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': FILE_BYTES });
      poured = pour(response);
    });
    await using large = await startTestController(files.path);
    ana = await large.token('ana');
    id = await createAt(large);
    const request = callRaw(large.url, 'GET', ana).end();
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    expect(await settled(poured)).toBeLessThan(ON_THE_WAY_BYTES);
    expect(await count(answer)).toBe(FILE_BYTES);
  }, 30_000);
});

describe('Content-Disposition', () => {
  it.each([
    ['a.txt', `attachment; filename="a.txt"; filename*=UTF-8''a.txt`],
    ['a"b\\c%.txt', `attachment; filename="a_b_c_.txt"; filename*=UTF-8''a%22b%5Cc%25.txt`],
    ["it's (1)*.txt", `attachment; filename="it's (1)*.txt"; filename*=UTF-8''it%27s%20%281%29%2A.txt`],
    ['\ud800', `attachment; filename="_"; filename*=UTF-8''%EF%BF%BD`],
  ])('of %j', (name, expected) => {
    expect(attachment(name)).toBe(expected);
  });
});
