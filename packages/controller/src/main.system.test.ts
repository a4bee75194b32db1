import { healthSchema, ticketSchema, vmSchema } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openTestViewer } from './desktops/test-viewer.ts';
import { findAccount } from './privileges.ts';
import { until } from './test-controller.ts';

const CHECKOUT = join(import.meta.dirname, '../../..');
const readySchema = z.object({ url: z.string(), pid: z.number() });

let folder: string;
let host: FakeHost;
let port: number;
let children: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-main-'));
  await chmod(folder, 0o711);
  await mkdir(join(folder, 'run'));
  host = await startFakeHost(join(folder, 'run', 'host.sock'));
  const { uid, gid } = await findAccount('nobody');
  await chown(host.socketPath, uid, gid);
  port = await freePort();
  children = [];
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  await host.close();
  await rm(folder, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

interface Run {
  child: ChildProcess;
  /** Resolves with the line on --ready-fd, null where the process ended before. */
  ready: Promise<z.infer<typeof readySchema> | null>;
  /** Resolves with the exit code. */
  ended: Promise<number | null>;
  stderr: () => string;
  stdout: () => string;
}

async function run(config: Record<string, unknown> = {}): Promise<Run> {
  const file = join(folder, 'hearth.json');
  const { controller, ...rest } = { controller: {}, ...config };
  await writeFile(
    file,
    JSON.stringify({
      stateDir: join(folder, 'state'),
      runDir: join(folder, 'run'),
      controller: { port, user: 'nobody', ...controller },
      ...rest,
    }),
  );
  // The checkout, seen below a folder that only root may enter; in a mount namespace, so that nothing is left behind.
  const hidden = join(folder, 'private');
  await mkdir(join(hidden, 'checkout'), { recursive: true });
  await chmod(hidden, 0o700);
  const main = join(hidden, 'checkout/packages/controller/src/main.ts');
  const child = spawn(
    'unshare',
    [
      ...['--mount', 'sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh'],
      ...[CHECKOUT, join(hidden, 'checkout'), process.execPath, main, '--config', file],
      ...['--admin-token-file', join(folder, 'admin.token'), '--ready-fd', '3'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
  );
  children.push(child);
  const collect = (stream: NodeJS.ReadableStream | null): (() => string) => {
    let text = '';
    stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return () => text;
  };
  const line = collect(child.stdio[3] as NodeJS.ReadableStream);
  return {
    child,
    stderr: collect(child.stderr),
    stdout: collect(child.stdout),
    ended: once(child, 'close').then(([code]) => z.number().nullable().parse(code)),
    ready: once(child.stdio[3] as NodeJS.ReadableStream, 'end').then(() =>
      line() === '' ? null : readySchema.parse(JSON.parse(line())),
    ),
  };
}

describe('the controller as it is started', () => {
  it('is no longer root, cannot be again, and serves everything from a checkout that it cannot read', async () => {
    const { child, ready } = await run();
    const line = await ready;
    expect(line).toEqual({ url: `http://127.0.0.1:${port}`, pid: child.pid });
    const status = await readFile(`/proc/${String(child.pid)}/status`, 'utf8');
    const { uid, gid } = await findAccount('nobody');
    expect(status).toMatch(new RegExp(`^Uid:\t${uid}\t${uid}\t${uid}\t${uid}$`, 'm'));
    expect(status).toMatch(new RegExp(`^Gid:\t${gid}\t${gid}\t${gid}\t${gid}$`, 'm'));
    expect(status).toMatch(/^Groups:\s*$/m);

    const url = `http://127.0.0.1:${port}`;
    const health = await fetch(`${url}/health`);
    expect(healthSchema.parse(await health.json()).status).toBe('ok');
    const token = (await readFile(join(folder, 'admin.token'), 'utf8')).trim();
    expect((await stat(join(folder, 'admin.token'))).mode & 0o777).toBe(0o600);
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const created = await fetch(`${url}/api/vms`, { method: 'POST', headers, body: '{"kind":"cli"}' });
    const vm = vmSchema.parse(await created.json());
    const events = await fetch(`${url}/api/vms/${vm.id}/events`, { headers });
    for await (const chunk of events.body ?? []) if (Buffer.from(chunk).includes('"ready"')) break;
    const exec = await fetch(`${url}/api/vms/${vm.id}/exec`, {
      method: 'POST',
      headers,
      body: '{"command":["echo"]}',
    });
    expect(await exec.text()).toContain('"exit"');
    const written = await fetch(`${url}/api/vms/${vm.id}/files?path=/x`, {
      method: 'PUT',
      headers: { authorization: headers.authorization },
      body: new Uint8Array(100_000),
    });
    expect(await written.json()).toEqual({ path: '/x', bytes: 100_000 });
    const deleted = await fetch(`${url}/api/vms/${vm.id}?wait=true`, {
      method: 'DELETE',
      headers: { authorization: headers.authorization },
    });
    expect(vmSchema.parse(await deleted.json()).state).toBe('deleted');
    // What is otherwise loaded at its first use.
    expect((await fetch(`${url}/api/openapi.json`)).status).toBe(200);
    expect((await fetch(`${url}/api/docs/`)).status).toBe(200);
    expect((await fetch(`${url}/api/docs/js/scalar.js`)).status).toBe(200);
    const built = existsSync(join(CHECKOUT, 'packages/web/dist/index.html'));
    expect((await fetch(`${url}/`)).status, 'the page, or what to do to have it').toBe(built ? 200 : 500);

    // A desktop: watched, and as a picture.
    const browser = await fetch(`${url}/api/vms`, { method: 'POST', headers, body: '{"kind":"browser"}' });
    const desktop = `${url}/api/vms/${vmSchema.parse(await browser.json()).id}/desktop`;
    const ask = (): Promise<Response> => fetch(`${desktop}/ticket`, { method: 'POST', headers, body: '{}' });
    await until('a desktop', async () => (await ask()).status === 201);
    const viewer = openTestViewer(url, ticketSchema.parse(await (await ask()).json()).path);
    expect(await viewer.join()).toMatchObject({ width: 640, height: 480 });
    const picture = await fetch(`${desktop}/screenshot.png`, { headers });
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png']);
    const database = await stat(join(folder, 'state', 'controller', 'hearth.db'));
    expect([database.uid, database.mode & 0o777]).toEqual([uid, 0o600]);
    expect((await stat(join(folder, 'state', 'controller'))).mode & 0o777).toBe(0o700);
  });

  it('keeps the admin token over a restart, and ends with open streams within 5 s', async () => {
    const first = await run();
    await first.ready;
    const token = (await readFile(join(folder, 'admin.token'), 'utf8')).trim();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const url = `http://127.0.0.1:${port}`;
    const vm = vmSchema.parse(
      await (await fetch(`${url}/api/vms`, { method: 'POST', headers, body: '{"kind":"cli"}' })).json(),
    );
    const events = await fetch(`${url}/api/vms/${vm.id}/events`, { headers });
    const text = events.text();
    first.child.kill('SIGTERM');
    const [code] = (await once(first.child, 'exit')) as [number | null];
    expect(code).toBe(0);
    expect(await text).toContain('event: vm');
    expect(first.stderr()).toBe('');
    expect(first.stdout()).not.toContain(token);

    const second = await run();
    await second.ready;
    const again = await fetch(`${url}/api/vms/${vm.id}`, { headers });
    expect(vmSchema.parse(await again.json()).id).toBe(vm.id);
  });

  it('makes the token of a new file the only one', async () => {
    const first = await run();
    await first.ready;
    const old = (await readFile(join(folder, 'admin.token'), 'utf8')).trim();
    first.child.kill('SIGTERM');
    await once(first.child, 'exit');
    await rm(join(folder, 'admin.token'));
    const second = await run();
    await second.ready;
    const me = (token: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/api/me`, { headers: { authorization: `Bearer ${token}` } });
    expect((await me(old)).status).toBe(401);
    expect((await me((await readFile(join(folder, 'admin.token'), 'utf8')).trim())).status).toBe(200);
  });

  it.each([
    ['an unknown key', { controler: {} }, 'controler: is not a known key'],
    ['an unknown user', { controller: { user: 'nobody-of-this-name' } }, 'nobody-of-this-name'],
    ['root', { controller: { user: 'root' } }, 'does not run as root'],
    ['an address of another machine', { controller: { address: '203.0.113.7' } }, '203.0.113.7'],
  ])('refuses %s with one clear line and a hint', async (_what, config, words) => {
    const { ended, ready, stderr } = await run(config);
    expect(await ready).toBeNull();
    expect(await ended).toBe(1);
    expect(stderr()).toContain(words);
    expect(stderr().trim().split('\n')).toHaveLength(2);
    expect(stderr()).not.toMatch(/\n\s+at /);
  });

  it('names the port that is in use', async () => {
    const holder = createServer().listen(port, '127.0.0.1');
    await once(holder, 'listening');
    const { ended, ready, stderr } = await run();
    expect(await ready).toBeNull();
    expect(await ended).toBe(1);
    expect(stderr()).toContain(`The port is in use: 127.0.0.1:${port}`);
    holder.close();
  });

  it('refuses a token file that others may read', async () => {
    await writeFile(join(folder, 'admin.token'), `hth_${'x'.repeat(43)}\n`, { mode: 0o644 });
    await chmod(join(folder, 'admin.token'), 0o644);
    const { ended, ready, stderr } = await run();
    expect(await ready).toBeNull();
    expect(await ended).toBe(1);
    expect(stderr()).toContain('chmod 600');
  });

  it('starts without a host daemon, degraded', async () => {
    await host.stop();
    const { ready } = await run();
    await ready;
    const health = await fetch(`http://127.0.0.1:${port}/health`);
    expect(health.status).toBe(503);
    expect(healthSchema.parse(await health.json()).status).toBe('degraded');
  });
});
