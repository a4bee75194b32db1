import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestController, type TestController } from '../test-controller.ts';
import { refused } from '../test-problem.ts';
import { makeTestWebApp } from '../test-web-app.ts';
import { readWebApp } from '../web-app.ts';

let folder: string;
let host: FakeHost;
let api: TestController;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-pages-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, {}, {}, makeTestWebApp());
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});
const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  api.call(null, 'GET', path, { headers });

describe('the web application', () => {
  it.each([
    '/',
    '/signin?code=0123456789abcdef',
    '/connect',
    '/connect/sgn-000000000000',
    '/runs/run-000000000000',
    '/terminal/vm-000000000000/trm-000000000000',
    '/vms',
    '/vms/vm-000000000000',
    '/vms/vm-000000000000/console',
    '/vms/vm-000000000000/why',
    '/vms/vm-000000000000/desktop',
    '/host',
    '/api/vms/vm-000000000000/desktop',
    '/api/auth/session/vm-000000000000/novnc',
  ])('is at %s for everybody, under a strict policy', async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none';script-src 'self';/);
    expect(policy).toContain("frame-ancestors 'none'");
    // Styles may be inline, for the terminal; nothing else may.
    expect(policy.split(';').filter((part) => part.includes('unsafe'))).toEqual([
      "style-src 'self' 'unsafe-inline'",
    ]);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await answer.text()).toContain('<title>Hearth</title>');
  });

  it('has files that browsers keep, small on the way', async () => {
    const script = await get('/assets/index-1.js');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(script.headers.get('content-encoding')).toBe('gzip');
    expect(await script.text()).toContain('document.title');
    const plain = await get('/assets/index-1.js', { 'accept-encoding': 'identity' });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect((await plain.text()).length).toBeGreaterThan(2000);
    expect((await get('/robots.txt')).headers.get('cache-control')).toBe('no-cache');
    const etag = (await get('/')).headers.get('etag') ?? '';
    expect((await get('/', { 'if-none-match': etag })).status).toBe(304);
    expect((await get('/favicon.ico')).headers.get('content-type')).toBe('image/svg+xml');
  });

  it('tells who is lost with a browser; programs get a problem', async () => {
    const lost = await get('/nothing', { accept: 'text/html,application/xhtml+xml' });
    expect([lost.status, lost.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
    expect(lost.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(await lost.text()).toContain('<title>Hearth</title>');
    for (const [path, accept] of [
      ['/nothing', 'application/json'],
      ['/assets/old-1.js', '*/*'],
      ['/assets/..%2f..%2findex.html', '*/*'],
      ['/api/nothing', 'text/html'],
    ] as const)
      expect(await refused(await get(path, { accept }))).toMatchObject({ code: 'route_not_found' });
    expect(await refused(await get('/api/vms/nonsense/desktop', { accept: 'text/html' }))).toMatchObject({
      code: 'bad_request',
    });
  });

  it('says what to do where it was not built', async () => {
    await using bare = await startTestController(host.socketPath);
    const answer = await bare.call(null, 'GET', '/');
    expect(await refused(answer)).toMatchObject({
      code: 'requirement_missing',
      hint: 'Run `./hearth up`, which builds them.',
    });
    expect((await bare.call(null, 'GET', '/nothing', { headers: { accept: 'text/html' } })).status).toBe(404);
  });
});

describe('reading the web application', () => {
  it('gives null where it was not built, or not to the end', async () => {
    expect(await readWebApp(join(folder, 'nowhere'))).toBeNull();
    await mkdir(join(folder, 'half/assets'), { recursive: true });
    await writeFile(join(folder, 'half/assets/a.js'), '1');
    expect(await readWebApp(join(folder, 'half'))).toBeNull();
  });

  it('knows types, and zips what gets smaller', async () => {
    const dist = join(folder, 'dist');
    await mkdir(join(dist, 'assets'), { recursive: true });
    await writeFile(join(dist, 'index.html'), '<!doctype html>'.repeat(50));
    await writeFile(join(dist, 'assets/a-1.css'), 'x');
    const app = await readWebApp(dist);
    expect(app?.index).toMatchObject({ type: 'text/html; charset=utf-8', immutable: false });
    expect(app?.index.gzipped?.length).toBeLessThan(100);
    expect(app?.files).toMatchObject([
      { path: '/assets/a-1.css', type: 'text/css; charset=utf-8', immutable: true, gzipped: null },
    ]);
  });
});
