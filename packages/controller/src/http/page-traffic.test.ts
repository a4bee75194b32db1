import { parseConfig, ticketSchema, vmSchema, type VmId } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestViewer } from '../desktops/test-viewer.ts';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { makeTestWebApp } from '../test-web-app.ts';

const limits = parseConfig({}, {}).controller;
const WINDOW_SECONDS = limits.rateLimit.windowMinutes * 60;
/** As packages/web does. */
const THUMBNAIL_SECONDS = 30;
/** The banner asks what is connected, a terminal's page which ones there are, Connect how a sign-in that is under way goes. */
const BANNER_SECONDS = 30;
const TERMINALS_SECONDS = 15;
const SIGNINS_SECONDS = 15;
/** An administrator's page of the host asks for it and its drift. */
const HOST_SECONDS = 30;
/** The longest pause of a page between two tries to connect again. */
const RECONNECT_SECONDS = 10;

let folder: string;
let host: FakeHost;
let api: TestController;
let ana: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-traffic-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath, {}, {}, makeTestWebApp());
  ana = await api.token('ana');
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

describe('F29: the allowance of requests', () => {
  it('holds all that the pages ask for in its time, with as many VMs as one may have, at the worst', async () => {
    const call = async (method: string, path: string, body?: unknown): Promise<Response> => {
      const answer = await api.call(ana, method, path, body === undefined ? {} : { body });
      expect(answer.status, `${method} ${path}`).toBeLessThan(300);
      return answer;
    };
    const create = async (): Promise<VmId> =>
      vmSchema.parse(await (await call('POST', '/api/vms', { kind: 'browser' })).json()).id;
    const ids: VmId[] = [];
    while (ids.length < limits.maxVmsPerUser) ids.push(await create());
    // Not asked over the API: these calls would count.
    await until('all to be ready', async () =>
      (await api.db.selectFrom('vms').select('state').execute()).every(({ state }) => state === 'ready'),
    );

    // *My VMs*, open all the time: thumbnails, and the events that are opened again each time they break.
    let last: Response | null = null;
    for (let second = 0; second < WINDOW_SECONDS; second += THUMBNAIL_SECONDS)
      for (const id of ids) last = await call('GET', `/api/vms/${id}/desktop/screenshot.png?width=320`);
    const thumbnails = Number(last?.headers.get('ratelimit-remaining'));
    // A desktop beside it, which loses its connection as often as it can: ticket, WebSocket and two event streams.
    const [id] = ids as [VmId];
    for (let second = 0; second < WINDOW_SECONDS; second += RECONNECT_SECONDS) {
      await call('GET', `/vms/${id}`);
      await call('GET', '/api/me');
      const stop = new AbortController();
      for (const path of ['/api/vms/events', `/api/vms/${id}/events`, `/api/vms/${id}/desktop/events`]) {
        const answer = await api.call(ana, 'GET', path, { signal: stop.signal });
        expect(answer.status, path).toBe(200);
      }
      stop.abort();
      const ticket = ticketSchema.parse(
        await (await call('POST', `/api/vms/${id}/desktop/ticket`, {})).json(),
      );
      const viewer = openTestViewer(api.url, ticket.path, { authorization: `Bearer ${ana}` });
      await viewer.join();
      viewer.socket.close(1000);
    }
    // Connect and a terminal's page beside them.
    for (let second = 0; second < WINDOW_SECONDS; second += BANNER_SECONDS)
      await call('GET', '/api/auth/credentials');
    for (let second = 0; second < WINDOW_SECONDS; second += TERMINALS_SECONDS)
      await call('GET', '/api/terminals');
    for (let second = 0; second < WINDOW_SECONDS; second += SIGNINS_SECONDS)
      await call('GET', '/api/auth/sessions');
    const calls = await call('GET', '/api/me');
    const streams = await call('GET', `/api/vms/${id}/console`);
    // More than a third is left of each allowance for what people do themselves.
    for (const answer of [calls, streams])
      expect(Number(answer.headers.get('ratelimit-remaining'))).toBeGreaterThan(limits.rateLimit.max / 3);
    expect(thumbnails).toBeGreaterThan(limits.rateLimit.max / 2);
  }, 60_000);

  it('holds what an administrator’s page of the host asks for, open all the time, and a look at every layer a minute', async () => {
    const op = await api.token('op', 'admin');
    const { id } = vmSchema.parse(
      await (await api.call(op, 'POST', '/api/vms', { body: { kind: 'cli' } })).json(),
    );
    let last: Response | null = null;
    const call = async (path: string): Promise<void> => {
      last = await api.call(op, 'GET', path);
      expect(last.status, path).toBe(200);
    };
    for (let second = 0; second < WINDOW_SECONDS; second += HOST_SECONDS) {
      await call('/api/host');
      await call('/api/host/drift');
      if (second % 60 === 0) await call(`/api/vms/${id}/why`);
    }
    const left = Number((last as Response | null)?.headers.get('ratelimit-remaining'));
    expect(left).toBeGreaterThan(limits.rateLimit.max / 2);
  });

  it('is touched to less than a tenth by any page that is left open for its time, and used a little', async () => {
    const answer = await api.call(ana, 'POST', '/api/vms', { body: { kind: 'browser' } });
    const { id } = vmSchema.parse(await answer.json());
    await until('it to be ready', async () =>
      (await api.db.selectFrom('vms').select('state').execute()).every(({ state }) => state === 'ready'),
    );
    /** What a page asks for as it opens, by itself every so often, and when its buttons are used. */
    const pages: Record<
      string,
      { opens: string[]; asks: [seconds: number, path: string][]; used: string[] }
    > = {
      'My VMs': {
        opens: ['/api/me', '/api/vms'],
        asks: [[THUMBNAIL_SECONDS, `/api/vms/${id}/desktop/screenshot.png?width=320`]],
        used: [`/api/vms/${id}`],
      },
      terminals: { opens: ['/api/me'], asks: [[TERMINALS_SECONDS, '/api/terminals']], used: [] },
      connect: {
        opens: ['/api/me', '/api/providers'],
        asks: [[SIGNINS_SECONDS, '/api/auth/sessions']],
        used: [],
      },
      host: {
        opens: ['/api/me'],
        asks: [
          [HOST_SECONDS, '/api/host'],
          [HOST_SECONDS, '/api/host/drift'],
        ],
        used: [],
      },
      // It looks once, and again by its button.
      why: {
        opens: ['/api/me', `/api/vms/${id}`],
        asks: [],
        used: Array<string>(10).fill(`/api/vms/${id}/why`),
      },
    };
    for (const [name, { opens, asks, used }] of Object.entries(pages)) {
      const someone = await api.token(`visitor.${name.toLowerCase().replace(' ', '-')}`, 'admin');
      const paths = [
        ...opens,
        ...used,
        ...[[BANNER_SECONDS, '/api/auth/credentials'] as const, ...asks].flatMap(([seconds, path]) =>
          Array<string>(WINDOW_SECONDS / seconds).fill(path),
        ),
      ];
      for (const path of paths) {
        const { status } = await api.call(someone, 'GET', path);
        expect(status, `${name}: ${path}`).toBeLessThan(300);
      }
      const last = await api.call(someone, 'GET', '/api/me');
      const left = Number(last.headers.get('ratelimit-remaining'));
      expect(limits.rateLimit.max - left, name).toBeLessThan(limits.rateLimit.max / 10);
    }
  }, 60_000);
});
